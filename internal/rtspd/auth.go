package rtspd

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"

	"github.com/camkrazy/camkrazy/internal/rarelog"
	"github.com/camkrazy/camkrazy/internal/throttle"
)

// realm is what players show to a person whom they ask for the password, and part of what is hashed.
const realm = "camkrazy"

var (
	errPassword = errors.New("wrong password")
	errGuessing = errors.New("too many wrong passwords from this address")
)

// door decides who may watch. Without users everybody may.
type door struct {
	users    []secret
	basic    bool // also in plain RTSP
	throttle *throttle.Throttle
	failures rarelog.Rarely
	log      *slog.Logger
}

// secret is a user with what is hashed of the password (RFC 7616 section 3.4.2, A1).
type secret struct {
	User
	md5, sha256 string
}

func newDoor(cfg Config, log *slog.Logger) *door {
	d := &door{basic: cfg.BasicAuth, throttle: cfg.Throttle, log: log}
	if d.throttle == nil {
		d.throttle = &throttle.Throttle{}
	}
	for _, u := range cfg.Users {
		a1 := u.Name + ":" + realm + ":" + u.Password
		d.users = append(d.users, secret{User: u, md5: md5Hex(a1), sha256: sha256Hex(a1)})
	}
	return d
}

// visitor is what the door knows of one connection.
type visitor struct {
	remote string // HOST:PORT
	secure bool   // nobody can read along what the visitor sends
	nonce  string // of the challenge; empty before the first
	passed bool   // has shown a right password
}

// admit returns nil if the request comes from somebody who may watch, else how to answer. With an error the connection
// is closed after that.
//
// A client that shows nothing yet, or what belongs to another challenge, is challenged: nobody can find out by it
// whether a password is right. What is wrong costs the connection, and after some failures all tries from that address
// take turns, the right ones too: else a guesser would not wait for a late answer but go on to the next guess.
func (d *door) admit(ctx context.Context, v *visitor, req *base.Request) (*base.Response, error) {
	if len(d.users) == 0 {
		return nil, nil
	}
	shown := d.read(v, req)
	if shown == nil {
		return d.challenge(v, req)
	}
	if !v.passed && !d.throttle.Wait(ctx, v.remote) {
		return &base.Response{
			StatusCode:    base.StatusServiceUnavailable,
			StatusMessage: "Service Unavailable (too many wrong passwords from your address)",
		}, errGuessing
	}
	if !d.right(shown, req.Method) {
		d.throttle.Failed(v.remote)
		d.failures.Warn(d.log, "wrong password", "remote", v.remote, "user", shown.Username)
		return unauthorized(), errPassword
	}
	v.passed = true
	return nil, nil
}

// read returns the credentials of a request; nil if there are none, or none that could be right.
func (d *door) read(v *visitor, req *base.Request) *headers.Authorization {
	values := req.Header["Authorization"]
	if len(values) != 1 {
		return nil
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	rest = strings.TrimLeft(rest, " ")
	switch { // in any letters: RFC 9110 section 11.1
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(rest)
		name, password, found := strings.Cut(string(text), ":") // the library refuses a colon in the password
		if err != nil || !found || !d.allowsBasic(v) {
			return nil
		}
		return &headers.Authorization{Method: headers.AuthMethodBasic, Username: name, BasicPass: password}
	case strings.EqualFold(scheme, "Digest"):
		var a headers.Authorization
		err := a.Unmarshal(base.HeaderValue{"Digest " + rest})
		if err != nil || a.Username == "" || a.Realm != realm || v.nonce == "" || a.Nonce != v.nonce {
			return nil
		}
		return &a
	}
	return nil
}

// right says whether credentials are a user's. It compares with all users in a time that does not depend on them.
//
// The URI in a digest is not compared with the request's, which players write in many ways. Who could put another
// request behind an answer to our challenge could take over the connection as well.
func (d *door) right(a *headers.Authorization, method base.Method) bool {
	found := 0
	for i := range d.users {
		u := &d.users[i]
		var shown, want string
		switch {
		case a.Method == headers.AuthMethodBasic:
			shown, want = sha256Hex(a.BasicPass), sha256Hex(u.Password)
		case a.Algorithm != nil && *a.Algorithm == headers.AuthAlgorithmSHA256:
			shown, want = a.Response, sha256Hex(u.sha256+":"+a.Nonce+":"+sha256Hex(string(method)+":"+a.URI))
		default:
			shown, want = a.Response, md5Hex(u.md5+":"+a.Nonce+":"+md5Hex(string(method)+":"+a.URI))
		}
		found |= equal(a.Username, u.Name) & equal(strings.ToLower(shown), want)
	}
	return found == 1
}

// equal compares in a time that depends on the length of shown alone.
func equal(shown, want string) int {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:])
}

func (d *door) allowsBasic(v *visitor) bool { return d.basic || v.secure }

// challenge asks for a password, by the best method first. FFmpeg takes the last of the digests, which is right: of
// some versions it is the only one that they know.
func (d *door) challenge(v *visitor, req *base.Request) (*base.Response, error) {
	var stale *string
	if v.nonce != "" && len(req.Header["Authorization"]) > 0 {
		stale = new("true") // try again, the password may be right
	}
	if v.nonce == "" {
		v.nonce = rand.Text()
	}
	res := unauthorized()
	var offers base.HeaderValue
	for _, algorithm := range []headers.AuthAlgorithm{headers.AuthAlgorithmSHA256, headers.AuthAlgorithmMD5} {
		offers = append(offers, headers.Authenticate{
			Method: headers.AuthMethodDigest, Realm: realm, Nonce: v.nonce, Stale: stale, Algorithm: &algorithm,
		}.Marshal()...)
	}
	if d.allowsBasic(v) {
		offers = append(offers, headers.Authenticate{Method: headers.AuthMethodBasic, Realm: realm}.Marshal()...)
	}
	res.Header = base.Header{"WWW-Authenticate": offers}
	return res, nil
}

func unauthorized() *base.Response { return &base.Response{StatusCode: base.StatusUnauthorized} }

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
