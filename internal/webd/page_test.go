package webd

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestPage holds what a browser loads: small, complete, of its own alone, and only once.
func TestPage(t *testing.T) {
	cfg := testConfig()
	size := 0
	for path, kind := range map[string]string{"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css"} {
		rsp := get(cfg, "GET", path)
		text := body(t, rsp)
		size += len(text)
		if rsp.StatusCode != 200 || !strings.HasPrefix(rsp.Header.Get("Content-Type"), kind) || len(text) < 500 {
			t.Errorf("%s: got %d, %v", path, rsp.StatusCode, rsp.Header)
		}
		if foreign := regexp.MustCompile(`(src|href|url\(|fetch\()\W*(https?:)?//`).FindString(text); foreign != "" {
			t.Errorf("%s asks others: %s", path, foreign)
		}
		if inline := regexp.MustCompile(`(?i)<script>|<style>|\sstyle=|\son[a-z]+=`).FindString(text); inline != "" {
			t.Errorf("%s has %q, which its policy forbids", path, inline)
		}
		if strings.Contains(text, "(?<") {
			t.Errorf("%s has a regular expression that looks behind: Safari before 16.4 refuses the whole script", path)
		}
		again := get(cfg, "GET", path, func(r *http.Request) { r.Header.Set("If-None-Match", rsp.Header.Get("ETag")) })
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: asked again: %d", path, again.StatusCode)
		}
	}
	if size > 60_000 {
		t.Errorf("the page has %d bytes", size)
	}
}

func TestEveryAnswerIsSecured(t *testing.T) {
	cfg := testConfig()
	cfg.Users = []User{{"a", "one"}}
	for _, path := range []string{"/", "/healthz", "/camera.jpg", "/nothing", "/live/x.mp4"} {
		for _, login := range []func(*http.Request){func(*http.Request) {}, func(r *http.Request) { r.SetBasicAuth("a", "one") }} {
			h := get(cfg, "GET", path, login).Header
			if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") ||
				!strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: policy %q", path, policy)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: got %v", path, h)
			}
		}
	}
}

// TestOtherSites holds that a page of another site changes nothing with what a browser knows.
func TestOtherSites(t *testing.T) {
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 405, "none": 405} {
		rsp := get(testConfig(), "POST", "/status.json", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		if rsp.StatusCode != want {
			t.Errorf("POST from %s: got %d, want %d", site, rsp.StatusCode, want)
		}
	}
}
