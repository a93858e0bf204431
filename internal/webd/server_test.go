package webd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// picture is a still of the given age.
func picture(age time.Duration) camera.Still {
	return camera.Still{JPEG: []byte("jpeg of " + age.String()), Taken: time.Now().Add(-age)}
}

func testConfig() Config {
	return Config{
		Listen: "127.0.0.1:0",
		Status: func() Status { return Status{Healthy: true, Problems: []string{}} },
		Still:  func() camera.Still { return picture(time.Second) },
		TakeStill: func(context.Context, camera.StillOptions) (camera.Still, error) {
			return camera.Still{}, errors.New("the camera is asleep")
		},
		MaxAge: 3 * time.Second,
	}
}

func get(cfg Config, method, path string, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	New(cfg).Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, rsp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSnapshot(t *testing.T) {
	taken := func(context.Context, camera.StillOptions) (camera.Still, error) { return picture(0), nil }
	tests := []struct {
		name   string
		change func(*Config)
		code   int
		body   string
		age    string
	}{
		{"newest", func(*Config) {}, 200, "jpeg of 1s", "1"},
		{"none yet, taken now", func(c *Config) {
			c.Still = func() camera.Still { return camera.Still{} }
			c.TakeStill = taken
		}, 200, "jpeg of 0s", "0"},
		{"too old, taken now", func(c *Config) {
			c.Still = func() camera.Still { return picture(time.Minute) }
			c.TakeStill = taken
		}, 200, "jpeg of 0s", "0"},
		{"too old, and no other to be had", func(c *Config) {
			c.Still = func() camera.Still { return picture(20 * time.Second) }
		}, 200, "jpeg of 20s", "20"},
		{"far too old, and no other to be had", func(c *Config) {
			c.Still = func() camera.Still { return picture(time.Minute) }
		}, 503, "no picture: the camera is asleep\n", ""},
		{"none, and none to be had", func(c *Config) {
			c.Still = func() camera.Still { return camera.Still{} }
		}, 503, "no picture: the camera is asleep\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			tt.change(&cfg)
			rsp := get(cfg, "GET", "/camera.jpg")
			if got := body(t, rsp); rsp.StatusCode != tt.code || got != tt.body || rsp.Header.Get("Age") != tt.age {
				t.Errorf("got %d %q, age %q, want %d %q, age %q", rsp.StatusCode, got, rsp.Header.Get("Age"), tt.code, tt.body, tt.age)
			}
			if tt.code == 200 && rsp.Header.Get("Content-Type") != "image/jpeg" {
				t.Errorf("headers are %v", rsp.Header)
			}
		})
	}
	rsp := get(testConfig(), "HEAD", "/camera.jpg")
	if rsp.StatusCode != 200 || body(t, rsp) != "" || rsp.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: got %d, headers %v", rsp.StatusCode, rsp.Header)
	}
}

// TestSnapshotOptions holds when a picture is taken anew, and as what.
func TestSnapshotOptions(t *testing.T) {
	type asked = []camera.StillOptions
	tests := []struct {
		query string
		code  int
		body  string
		asked asked
	}{
		{"", 200, "jpeg of 1s", nil},
		{"?fresh=0", 200, "jpeg of 1s", nil},
		{"?fresh=1", 200, "jpeg of 0s", asked{{}}},
		{"?fresh=true&width=320", 200, "jpeg of 0s", asked{{Width: 320}}},
		{"?width=320&quality=50", 200, "jpeg of 0s", asked{{Width: 320, Quality: 50}}},
		{"?quality=1", 200, "jpeg of 0s", asked{{Quality: 1}}},
		{"?width=63", 400, "width: 63 is too narrow\n", asked{{Width: 63}}},
		{"?fresh=please", 400, "fresh: \"please\" must be 0 or 1\n", nil},
		{"?width=wide", 400, "width: \"wide\" must be a number above 0\n", nil},
		{"?width=0", 400, "width: \"0\" must be a number above 0\n", nil},
		{"?quality=-3", 400, "quality: \"-3\" must be a number above 0\n", nil},
		{"?t=1764046800&_=1", 200, "jpeg of 1s", nil},
		{"?width=320&width=640", 400, "width: more than one value\n", nil},
		{"?width=%zz", 400, "invalid URL escape \"%zz\"\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			cfg := testConfig()
			var got asked
			cfg.TakeStill = func(_ context.Context, o camera.StillOptions) (camera.Still, error) {
				got = append(got, o)
				if o.Width == 63 {
					return camera.Still{}, tooNarrow{}
				}
				return picture(0), nil
			}
			rsp := get(cfg, "GET", "/camera.jpg"+tt.query)
			if text := body(t, rsp); rsp.StatusCode != tt.code || text != tt.body || !slices.Equal(got, tt.asked) {
				t.Errorf("got %d %q, asked for %+v; want %d %q, %+v", rsp.StatusCode, text, got, tt.code, tt.body, tt.asked)
			}
		})
	}
	// Nobody who asks for a picture of now gets an old one.
	if rsp := get(testConfig(), "GET", "/camera.jpg?fresh=1"); rsp.StatusCode != 503 {
		t.Errorf("a fresh one that cannot be had: got %d %s, want 503", rsp.StatusCode, body(t, rsp))
	}
}

// tooNarrow is what the camera says to options that it cannot do.
type tooNarrow struct{}

func (tooNarrow) Error() string { return "width: 63 is too narrow" }
func (tooNarrow) Unwrap() error { return camera.ErrStillOptions }

// TestSnapshotIsKept holds that a client that has the newest picture does not get it again.
func TestSnapshotIsKept(t *testing.T) {
	cfg, still := testConfig(), picture(time.Second)
	cfg.Still = func() camera.Still { return still }
	ask := func(etag string) *http.Response {
		return get(cfg, "GET", "/camera.jpg", func(r *http.Request) { r.Header.Set("If-None-Match", etag) })
	}
	first := ask("")
	etag := first.Header.Get("ETag")
	for given, want := range map[string]int{etag: 304, `"x", ` + etag: 304, `"x"`: 200, "": 200} {
		if rsp := ask(given); rsp.StatusCode != want || want == 304 && body(t, rsp) != "" {
			t.Errorf("with %q: got %d, want %d", given, rsp.StatusCode, want)
		}
	}
	still = picture(0)
	if rsp := ask(etag); rsp.StatusCode != 200 || rsp.Header.Get("ETag") == etag {
		t.Errorf("a newer picture: got %d, %v", rsp.StatusCode, rsp.Header)
	}
}

// TestSnapshotIsBounded holds that a camera that does not answer does not keep a client waiting.
func TestSnapshotIsBounded(t *testing.T) {
	cfg := testConfig()
	cfg.Still = func() camera.Still { return camera.Still{} }
	var limit time.Duration
	cfg.TakeStill = func(ctx context.Context, _ camera.StillOptions) (camera.Still, error) {
		if deadline, ok := ctx.Deadline(); ok {
			limit = time.Until(deadline)
		}
		return camera.Still{}, context.DeadlineExceeded
	}
	rsp := get(cfg, "GET", "/camera.jpg")
	if rsp.StatusCode != 503 || limit <= 0 || limit > 2*time.Second {
		t.Errorf("got %d, asked for a picture within %v, want 503 within 2 s", rsp.StatusCode, limit)
	}
}

func TestStatus(t *testing.T) {
	cfg := testConfig()
	sick := Status{Problems: []string{"lqstream has had no picture for 4s"}, Streams: map[string]Stream{"hq": {Width: 640}}}
	for _, tt := range []struct {
		status Status
		code   int
	}{{Status{Healthy: true, Problems: []string{}}, 200}, {sick, 503}} {
		cfg.Status = func() Status { return tt.status }
		rsp := get(cfg, "GET", "/healthz")
		text := body(t, rsp)
		if rsp.StatusCode != tt.code || !strings.Contains(text, strings.Join(tt.status.Problems, " ")) {
			t.Errorf("/healthz: got %d %s", rsp.StatusCode, text)
		}
		var got Status
		rsp = get(cfg, "GET", "/status.json")
		if err := json.NewDecoder(rsp.Body).Decode(&got); err != nil || rsp.StatusCode != 200 || got.Healthy != tt.status.Healthy ||
			got.Streams["hq"] != tt.status.Streams["hq"] {
			t.Errorf("/status.json: got %d %+v (%v)", rsp.StatusCode, got, err)
		}
	}
}

func TestUsers(t *testing.T) {
	cfg := testConfig()
	cfg.Users = []User{{"a", "one"}, {"b", "two"}}
	login := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	tests := []struct {
		name, path string
		login      func(*http.Request)
		code       int
	}{
		{"first", "/camera.jpg", login("a", "one"), 200},
		{"second", "/status.json", login("b", "two"), 200},
		{"another's password", "/camera.jpg", login("a", "two"), 401},
		{"nothing", "/camera.jpg", func(*http.Request) {}, 401},
		{"empty", "/status.json", login("", ""), 401},
		{"health is for everybody", "/healthz", func(*http.Request) {}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rsp := get(cfg, "GET", tt.path, tt.login)
			if rsp.StatusCode != tt.code {
				t.Errorf("got %d, want %d", rsp.StatusCode, tt.code)
			}
			if tt.code == 401 && !strings.HasPrefix(rsp.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("asks by %q", rsp.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

// TestGuessing holds that an address that guesses passwords is slowed down, and no other.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Users = []User{{"a", "one"}}
		var log bytes.Buffer
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		handler := New(cfg).Handler()
		try := func(from, password string) (int, time.Duration) {
			r := httptest.NewRequest("GET", "/status.json", nil)
			r.RemoteAddr = from
			r.SetBasicAuth("a", password)
			w, began := httptest.NewRecorder(), time.Now()
			handler.ServeHTTP(w, r)
			return w.Code, time.Since(began)
		}
		began := time.Now()
		for range 30 {
			if code, _ := try("10.0.0.1:1000", "two"); code != 401 {
				t.Errorf("wrong password: got %d", code)
			}
		}
		// The second line comes when 10 s have passed.
		const first, second = `level=WARN msg="wrong password" remote=10.0.0.1:1000 user=a` + "\n", " user=a unlogged="
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, first) || !strings.Contains(got, second) || strings.Contains(got, "two") {
			t.Errorf("the log tells of them so:\n%s", got)
		}
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("30 tries took %v", took)
		}
		if code, took := try("10.0.0.1:1001", "one"); code != 200 || took > 6*time.Second {
			t.Errorf("right password from there: got %d after %v", code, took)
		}
		if code, took := try("10.0.0.2:1000", "one"); code != 200 || took != 0 {
			t.Errorf("another address: got %d after %v", code, took)
		}
		// Of many at the same time only some are looked at.
		codes := make(chan int, 100)
		for range 100 {
			go func() { code, _ := try("10.0.0.1:1002", "two"); codes <- code }()
		}
		looked := 0
		for range 100 {
			if <-codes != 429 {
				looked++
			}
		}
		if looked > 20 {
			t.Errorf("%d of 100 guesses were looked at", looked)
		}
	})
}

func TestMethodsAndPaths(t *testing.T) {
	for path, want := range map[string]int{"/index.html": 404, "/camera.jpg/": 404, "/status.json": 405, "/camera.jpg": 405} {
		method := map[int]string{404: "GET", 405: "POST"}[want]
		if rsp := get(testConfig(), method, path); rsp.StatusCode != want {
			t.Errorf("%s %s: got %d, want %d", method, path, rsp.StatusCode, want)
		}
	}
}

func TestRun(t *testing.T) {
	s := New(testConfig())
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	second := New(Config{Listen: s.Addr().String()})
	if err := second.Listen(); err == nil || !strings.Contains(err.Error(), "address already in use; stop the other program") {
		t.Errorf("second server on the port: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	rsp, err := http.Get("http://" + s.Addr().String() + "/camera.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, rsp); !bytes.HasPrefix([]byte(got), []byte("jpeg")) {
		t.Errorf("got %q", got)
	}
	rsp.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}
