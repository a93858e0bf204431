package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func load(t *testing.T, cfg Config) (*tls.Config, string) {
	t.Helper()
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if cfg.Host == "" {
		cfg.Host = "porch"
	}
	got, err := Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return got, log.String()
}

// shake has a client that trusts cert connect at a time of the client's clock.
func shake(t *testing.T, server *tls.Config, name string, now time.Time) error {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificates[0].Leaf)
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if there, err := l.Accept(); err == nil {
			there.(*tls.Conn).Handshake() // the client tells how it went
			there.Close()
		}
	}()
	client := &tls.Config{RootCAs: trusted, ServerName: name, Time: func() time.Time { return now }}
	here, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.Addr().String(), client)
	if err == nil {
		here.Close()
	}
	return err
}

func TestSelfSigned(t *testing.T) {
	server, _ := load(t, Config{Addresses: []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")}})
	leaf := server.Certificates[0].Leaf
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is %T, want ECDSA on P-256", leaf.PublicKey)
	}
	reset := time.Date(1970, 1, 1, 0, 0, 3, 0, time.UTC)
	for _, now := range []time.Time{reset, time.Now(), time.Now().AddDate(70, 0, 0)} {
		for _, name := range []string{"porch", "porch.local", "192.0.2.7", "2001:db8::7"} {
			if err := shake(t, server, name, now); err != nil {
				t.Errorf("client that asks for %s in %d: %v", name, now.Year(), err)
			}
		}
	}
	if shake(t, server, "other", time.Now()) == nil {
		t.Error("a client that asks for another name is content")
	}
}

// TestOpenSSL has another library read and verify the certificate.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl in PATH")
	}
	file := filepath.Join(t.TempDir(), "tls.pem")
	load(t, Config{Kept: file, Addresses: []net.IP{net.IPv4(192, 0, 2, 7)}})
	for _, args := range [][]string{
		{"verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "porch.local", "-CAfile", file, file},
		{"verify", "-verify_ip", "192.0.2.7", "-attime", "100", "-CAfile", file, file},
		{"pkey", "-in", file, "-check", "-noout"},
	} {
		if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestSelfSignedIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "camkrazy", "tls.pem")
	first, _ := load(t, Config{Kept: file})
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("kept file: %v, mode %v, want 0600", err, info.Mode())
	}
	again, log := load(t, Config{Kept: file, Host: "renamed"})
	if !again.Certificates[0].Leaf.Equal(first.Certificates[0].Leaf) {
		t.Error("the second start has another certificate")
	}
	if strings.Contains(log, "WARN") {
		t.Errorf("the second start warns:\n%s", log)
	}

	if err := os.Truncate(file, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	mended, log := load(t, Config{Kept: file})
	if mended.Certificates[0].Leaf.Equal(first.Certificates[0].Leaf) || !strings.Contains(log, "another one is made") {
		t.Errorf("a broken file gives the same certificate, or no warning:\n%s", log)
	}
	if after, _ := load(t, Config{Kept: file}); !after.Certificates[0].Leaf.Equal(mended.Certificates[0].Leaf) {
		t.Error("the certificate in place of a broken one is not kept")
	}
}

func TestSelfSignedWithoutPlace(t *testing.T) {
	for name, file := range map[string]string{"none": "", "no folder above": filepath.Join(t.TempDir(), "perm", "camkrazy", "tls.pem")} {
		t.Run(name, func(t *testing.T) {
			server, log := load(t, Config{Kept: file})
			if err := shake(t, server, "porch", time.Now()); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log, "is not kept") {
				t.Errorf("no warning:\n%s", log)
			}
			if file != "" {
				if _, err := os.Stat(filepath.Dir(filepath.Dir(file))); !os.IsNotExist(err) {
					t.Errorf("a folder was made where there is no /perm: %v", err)
				}
			}
		})
	}
}

// split writes a new certificate and key to files of their own.
func split(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	both, err := generate(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(both, []byte("-----BEGIN PRIVATE"))
	return write(t, dir, name+".crt", both[:at]), write(t, dir, name+".key", both[at:])
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSupplied(t *testing.T) {
	dir := t.TempDir()
	cert, key := split(t, dir, "mine")
	server, _ := load(t, Config{Certificate: cert, Key: key})
	if err := shake(t, server, "mine", time.Now()); err != nil {
		t.Error(err)
	}
	both, err := generate("both", nil)
	if err != nil {
		t.Fatal(err)
	}
	server, _ = load(t, Config{Certificate: write(t, dir, "both.pem", both)})
	if err := shake(t, server, "both", time.Now()); err != nil {
		t.Error(err)
	}
}

// TestExpired has a certificate that is over, on the day that a board without a clock may begin with.
func TestExpired(t *testing.T) {
	for days, want := range map[int]bool{-1: true, 1: false} {
		synctest.Test(t, func(t *testing.T) {
			file := write(t, t.TempDir(), "mine.pem", until(t, time.Now().AddDate(0, 0, days)))
			server, log := load(t, Config{Certificate: file})
			if len(server.Certificates) != 1 {
				t.Error("it is not served")
			}
			if warned := strings.Contains(log, "has expired"); warned != want {
				t.Errorf("%d days before its end: warned %v, want %v", days, warned, want)
			}
		})
	}
}

// until returns a certificate with an end, and its key.
func until(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: notBefore, NotAfter: end}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
}

func TestSuppliedRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := split(t, dir, "mine")
	other, _ := split(t, dir, "other")
	locked := write(t, dir, "locked.key", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	broken := write(t, dir, "broken.crt", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	text := write(t, dir, "text", []byte("hello\n"))
	tests := []struct{ name, cert, key, want string }{
		{"no certificate", "", key, "tls.key: there is a key but no certificate; set tls.certificate too"},
		{"missing", "/nowhere.crt", key, "tls.certificate: read /nowhere.crt: no such file or directory"},
		{"key missing", cert, "/nowhere.key", "tls.key: read /nowhere.key: no such file or directory"},
		{"folder", dir, key, "tls.certificate: " + dir + " is not a PEM file"},
		{"text", text, key, "tls.certificate: " + text + " has no PEM block CERTIFICATE"},
		{"no key in certificate", cert, "", "tls.certificate: " + cert + " has no PEM block PRIVATE KEY"},
		{"swapped", key, cert, "tls.certificate: " + key + " has no PEM block CERTIFICATE"},
		{"passphrase", cert, locked, "tls.key: the key in " + locked + " has a passphrase; remove it with openssl pkey"},
		{"key of another", other, key, "tls.certificate: use " + other + " with the key in " + key + ": tls: private key does not match public key"},
		{"broken", broken, key, "tls.certificate: use " + broken + " with the key in " + key + ": "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(Config{Certificate: tt.cert, Key: tt.key})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLocalAddresses(t *testing.T) {
	ips, err := LocalAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range ips {
		if ip.IsLoopback() {
			return
		}
	}
	t.Errorf("got %v, without the loopback address", ips)
}
