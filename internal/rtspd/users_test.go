package rtspd

import (
	"bytes"
	"io"
	neturl "net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

var users = []User{{"viewer", "see: it"}, {"other", "pass"}}

func TestUsersWatch(t *testing.T) {
	s := run(t, Config{Users: users})
	feed(t, s.Sink("hqstream"), 10*time.Millisecond)
	for _, user := range users {
		t.Run(user.Name, func(t *testing.T) {
			u := url(t, s, "/hqstream")
			(*neturl.URL)(u).User = neturl.UserPassword(user.Name, user.Password)
			c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			desc, _, err := c.Describe(u)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SetupAll(desc.BaseURL, desc.Medias); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Play(nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestUsersOnly holds that nobody sees the stream, what it is made of, or what streams there are, without the name and
// password of a user.
func TestUsersOnly(t *testing.T) {
	const challenged, closed, passed = "challenged", "closed", "passed"
	tests := []struct {
		name string
		user *User // nil sends no second request
		path string
		want base.StatusCode // of the second answer
		then string
	}{
		{"nobody", nil, "/hqstream", 401, challenged},
		{"nobody, and no such stream", nil, "/nostream", 401, challenged},
		{"wrong password", &User{"viewer", "pass"}, "/hqstream", 401, closed},
		{"wrong name", &User{"nobody", "pass"}, "/hqstream", 401, closed},
		{"no password", &User{"viewer", ""}, "/hqstream", 401, closed},
		{"no name", &User{"", "pass"}, "/hqstream", 401, challenged},
		{"wrong, and no such stream", &User{"viewer", "pass"}, "/nostream", 401, closed},
		{"user", &User{"viewer", "see: it"}, "/hqstream", 200, passed},
		{"user, and no such stream", &User{"viewer", "see: it"}, "/nostream", 404, passed},
	}
	for _, tt := range tests {
		for _, method := range []base.Method{base.Describe, base.Setup} {
			t.Run(string(method)+" "+tt.name, func(t *testing.T) {
				s := run(t, Config{Users: users})
				s.Sink("hqstream")(tiny(t)[0])
				c := dial(t, s)
				var seen bytes.Buffer
				c.listen(&seen)
				u := url(t, s, tt.path+map[base.Method]string{base.Setup: "/trackID=0"}[method])
				res := c.do(method, u, "Transport", overTCP)
				checkChallenge(t, res)
				if tt.user != nil {
					res = c.do(method, u, "Transport", overTCP, "Authorization", answer(t, res, method, u, *tt.user))
				}
				if res.StatusCode != tt.want {
					t.Errorf("got %d %s, want %d", res.StatusCode, res.StatusMessage, tt.want)
				}
				switch tt.then {
				case challenged:
					checkChallenge(t, res)
				case closed:
					c.closed()
				case passed:
					return
				}
				for _, secret := range []string{"v=0", "m=video", "sprop", "hqstream", "lqstream", "Session"} {
					if strings.Contains(seen.String(), secret) {
						t.Errorf("a stranger was told %q:\n%s", secret, &seen)
					}
				}
			})
		}
	}
}

// TestWrongDigest sends answers to the challenge of another connection, and by a method that was not offered.
func TestWrongDigest(t *testing.T) {
	s := run(t, Config{Users: users})
	s.Sink("hqstream")(tiny(t)[0])
	u := url(t, s, "/hqstream")
	replayed := answer(t, dial(t, s).do(base.Describe, u), base.Describe, u, users[0])
	for name, header := range map[string]string{
		"replayed": replayed,
		"basic":    "Basic dmlld2VyOnNlZTogaXQ=",
		"garbage":  "Digest " + strconv.Quote("viewer"),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			checkChallenge(t, c.do(base.Describe, u))
			if res := c.do(base.Describe, u, "Authorization", header); res.StatusCode != 401 || len(res.Body) > 0 {
				t.Errorf("got %d and %d bytes, want 401 and none", res.StatusCode, len(res.Body))
			}
		})
	}
}

// checkChallenge wants a 401 that offers digest authentication with SHA-256 and MD5, and nothing else.
func checkChallenge(t *testing.T, res *base.Response) {
	t.Helper()
	offers := res.Header["WWW-Authenticate"]
	sha, md5 := false, false
	for _, offer := range offers {
		digest := strings.HasPrefix(offer, "Digest ") && strings.Contains(offer, "nonce=")
		is256 := strings.Contains(offer, `algorithm="SHA-256"`) || strings.Contains(offer, "algorithm=SHA-256")
		sha = sha || digest && is256
		md5 = md5 || digest && !is256
	}
	if res.StatusCode != base.StatusUnauthorized || len(offers) != 2 || !sha || !md5 {
		t.Errorf("got %d with challenges %q, want 401 with one for SHA-256 and one for MD5", res.StatusCode, offers)
	}
	if len(res.Body) > 0 {
		t.Errorf("body: got %q, want none", res.Body)
	}
}

// answer returns the Authorization header with which user answers a challenge.
func answer(t *testing.T, res *base.Response, method base.Method, u *base.URL, user User) string {
	t.Helper()
	sender := &auth.Sender{WWWAuth: res.Header["WWW-Authenticate"], User: user.Name, Pass: user.Password}
	if err := sender.Initialize(); err != nil {
		t.Fatal(err)
	}
	req := &base.Request{Method: method, URL: u, Header: base.Header{}}
	sender.AddAuthorization(req)
	return req.Header["Authorization"][0]
}

// listen copies to w what the connection gets from now on.
func (c *rawClient) listen(w io.Writer) {
	c.rtsp = newConn(io.TeeReader(c.net, w), c.net)
}
