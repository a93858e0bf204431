package systest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testSettings changes picture controls, saves them, cuts the power at once, and finds them again after the next boot,
// together with what the image's own configuration says of the users.
func testSettings(t *testing.T, b *board) {
	const change = `{"brightness": 60, "annotate": {"text": "%H:%M", "align": "left"}}`
	changed := b.settings(t, http.MethodPatch, "/settings.json", change)
	if changed["brightness"] != 60.0 {
		t.Fatalf("brightness is %v", changed["brightness"])
	}
	saved := b.settings(t, http.MethodPost, "/settings.json/save", "")
	if saved["saved"] != "/perm/camkrazy/camera.yaml" {
		t.Errorf("save says %v", saved)
	}
	b.PowerCut()
	b.start(t)
	if diff := cmp.Diff(changed, b.settings(t, http.MethodGet, "/settings.json", "")); diff != "" {
		t.Errorf("after a power cut (-saved +now):\n%s", diff)
	}
	rsp, _, err := b.request(t.Context(), webPort, http.MethodGet, "/settings.json", "", "")
	if err != nil || rsp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: got %v (%v), want 401", rsp, err)
	}
}

// settings asks the board's web server for JSON, as the viewer.
func (b *board) settings(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.Addr(webPort)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := b.p.viewer.Password()
	req.SetBasicAuth(b.p.viewer.Username(), password)
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(rsp.Body).Decode(&answer); err != nil || rsp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: got %s (%v)", method, path, rsp.Status, err)
	}
	return answer
}
