package systest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// daemonPath is the daemon's name among gokrazy's services.
const daemonPath = "/user/camkrazy"

// gokrazyStatus is what gokrazy's page says in JSON, as far as it matters here.
type gokrazyStatus struct {
	BuildTimestamp string
	Services       []struct {
		Path    string
		Pid     int
		Stopped bool
	}
}

func (b *board) gokrazyStatus(ctx context.Context) (gokrazyStatus, error) {
	var st gokrazyStatus
	rsp, body, err := b.request(ctx, gokrazyPort, http.MethodGet, "/", "gokrazy", b.p.password)
	if err != nil {
		return st, err
	}
	if rsp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("gokrazy's page: %s", rsp.Status)
	}
	return st, json.Unmarshal(body, &st)
}

// killDaemon has gokrazy send SIGKILL to the daemon.
func (b *board) killDaemon(ctx context.Context) error {
	return b.service(ctx, "/restart", daemonPath, map[string]string{"signal": "kill"})
}

// service asks gokrazy to do something with a service: /stop or /restart.
func (b *board) service(ctx context.Context, action, path string, values map[string]string) error {
	service := url.Values{"path": {path}}
	rsp, _, err := b.request(ctx, gokrazyPort, http.MethodGet, "/status?"+service.Encode(), "gokrazy", b.p.password)
	if err != nil {
		return err
	}
	// gokrazy's protection against forged requests wants its cookie back twice.
	var token *http.Cookie
	for _, c := range rsp.Cookies() {
		if c.Name == "gokrazy_xsrf" {
			token = c
		}
	}
	if token == nil {
		return fmt.Errorf("gokrazy's page of %s: %s, and no token", path, rsp.Status)
	}
	form := url.Values{"path": {path}, "xsrftoken": {token.Value}}
	for key, value := range values {
		form.Set(key, value)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.Addr(gokrazyPort)+action, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(&http.Cookie{Name: token.Name, Value: token.Value})
	req.SetBasicAuth("gokrazy", b.p.password)
	rsp, err = http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	rsp.Body.Close()
	if rsp.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("%s of %s: gokrazy answers %s", action, path, rsp.Status)
	}
	return nil
}

// firstLogLine reads the oldest line that gokrazy keeps of what the daemon wrote.
func (b *board) firstLogLine(ctx context.Context) (string, error) {
	text, err := b.serviceLog(ctx, daemonPath)
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if err == nil && first == "" {
		err = errors.New("no line in the log")
	}
	return first, err
}

// logDaemon shows the end of the daemon's log, where a test has failed.
func (b *board) logDaemon(t *testing.T) {
	t.Helper()
	const most = 4000
	text, err := b.serviceLog(t.Context(), daemonPath)
	t.Logf("the daemon said (%v):\n%s", err, text[max(0, len(text)-most):])
}

// serviceLog reads what gokrazy keeps of what a service wrote. The page goes on for ever: what comes in a while is all.
func (b *board) serviceLog(ctx context.Context, path string) (string, error) {
	const while = 700 * time.Millisecond
	query := url.Values{"path": {path}, "stream": {"both"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.Addr(gokrazyPort)+"/log?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth("gokrazy", b.p.password)
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer rsp.Body.Close()
	quiet := time.AfterFunc(callTimeout, func() { rsp.Body.Close() })
	defer quiet.Stop()
	var text strings.Builder
	for lines := bufio.NewScanner(rsp.Body); lines.Scan(); quiet.Reset(while) {
		// Server-sent events, with HTML's entities.
		line, _ := strings.CutPrefix(lines.Text(), "data: ")
		if line = html.UnescapeString(line); line != "" {
			text.WriteString(line + "\n")
		}
	}
	return text.String(), nil
}

// waitLog waits until a service's log is right, for on a busy machine it comes in parts.
func (b *board) waitLog(ctx context.Context, path string, right func(text string) bool) (text string, err error) {
	err = poll(ctx, func() (bool, error) {
		text, err = b.serviceLog(ctx, path)
		return right(text), err
	})
	return text, err
}

// testStatusPage looks at gokrazy's own page.
func testStatusPage(t *testing.T, b *board) {
	for _, password := range []string{"", "wrong", "camkrazy", "gokrazy"} {
		user := "gokrazy"
		if password == "" {
			user = ""
		}
		for _, path := range []string{"/", "/status?path=" + daemonPath, "/update/features"} {
			rsp, _, err := b.request(t.Context(), gokrazyPort, http.MethodGet, path, user, password)
			if err != nil || rsp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with password %q: got %v (%v), want 401", path, password, rsp, err)
			}
		}
	}
	st, err := b.gokrazyStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := false
	for _, s := range st.Services {
		if s.Path == daemonPath {
			listed = true
			if s.Pid == 0 || s.Stopped {
				t.Errorf("gokrazy says of the daemon: %+v", s)
			}
		}
	}
	if !listed {
		t.Errorf("gokrazy does not list the daemon: %+v", st.Services)
	}
	line, err := b.firstLogLine(t.Context())
	if err != nil {
		t.Errorf("the daemon's log: %v", err)
	}
	t.Logf("the daemon's log begins with: %s", line)
}
