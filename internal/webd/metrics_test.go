package webd

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/camkrazy/camkrazy/internal/live"
)

// fullStatus has a value for everything.
func fullStatus() Status {
	return Status{
		Version: "1", UptimeS: 60, Healthy: true, Problems: []string{}, Board: "board",
		Camera: CameraStatus{Sensor: "imx219", State: "streaming", Restarts: 2, EmulatedDrops: new(uint64(3))},
		Streams: map[string]Stream{
			"hqstream": {Width: 1640, Height: 1232, Framerate: 30, Frames: 100, Keyframes: 4, Bytes: 5000, FrameAgeMS: new(int64(33)), Readers: 2},
			"lqstream": {Width: 640, Height: 480, Framerate: 5, Frames: 20, Keyframes: 4, Bytes: 500, FrameAgeMS: new(int64(150)), Recoveries: 1},
		},
		Snapshot: Snapshot{Frames: 7, AgeMS: new(int64(1200))},
		Host:     Host{TemperatureC: new(51.5), Throttled: new(false), UnderVoltage: new(false), MemoryRSSBytes: 1 << 20, MemoryTotalBytes: 1 << 29, MemoryAvailableBytes: 1 << 28, SDSectorsWritten: new(uint64(10))},
		Ports:    Ports{RTSP: 8554, HTTP: 80},
		Recovery: Recovery{Pipelines: 2, Reconnects: 1},
	}
}

func metricsConfig() Config {
	cfg := testConfig()
	cfg.Status = fullStatus
	cfg.Live = map[string]*live.Stream{
		"hqstream": live.New(live.Config{Name: "hqstream", FrameRate: 30}), "lqstream": live.New(live.Config{Name: "lqstream", FrameRate: 5}),
	}
	return cfg
}

// metrics asks for some paths first, so that there are requests to count.
func metrics(t *testing.T) string {
	t.Helper()
	handler := New(metricsConfig()).Handler()
	for _, path := range []string{"/", "/status.json", "/camera.jpg", "/nothing"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return body(t, w.Result())
}

// promtool runs Prometheus's own checker.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: run tools/testdeps")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestMetrics(t *testing.T) {
	text := metrics(t)
	for _, line := range []string{
		`camkrazy_info{board="board",sensor="imx219",version="1"} 1`,
		`camkrazy_healthy 1`,
		`camkrazy_camera_restarts_total 2`,
		`camkrazy_recoveries_total{kind="reconnect"} 1`,
		`camkrazy_stream_frames_total{stream="hqstream"} 100`,
		`camkrazy_stream_frame_age_seconds{stream="lqstream"} 0.15`,
		`camkrazy_rtsp_readers{stream="hqstream"} 2`,
		`camkrazy_host_card_written_bytes_total 5120`,
		`camkrazy_host_temperature_celsius 51.5`,
		`camkrazy_http_requests_total{code="200",path="GET /camera.jpg"} 1`,
		`camkrazy_http_requests_total{code="404",path="none"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%q is missing in:\n%s", line, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "camkrazy_") {
			t.Errorf("another's metric: %s", line)
		}
	}
	promtool(t, text, "check", "metrics")
}

// TestUnknownIsAbsent holds that what this machine cannot tell is left out, not zero.
func TestUnknownIsAbsent(t *testing.T) {
	rsp := get(testConfig(), "GET", "/metrics")
	if text := body(t, rsp); rsp.StatusCode != 200 || strings.Contains(text, "celsius") || strings.Contains(text, "card_written") ||
		!strings.Contains(text, "camkrazy_healthy 1") {
		t.Errorf("got %d, %s", rsp.StatusCode, text)
	}
}

// TestDashboardAndAlerts holds that both know only metrics that there are, and that every expression is one.
func TestDashboardAndAlerts(t *testing.T) {
	text := metrics(t)
	docs := filepath.Join("..", "..", "docs")
	promtool(t, "", "check", "rules", filepath.Join(docs, "alerts.yaml"))
	promtool(t, "", "test", "rules", filepath.Join("testdata", "alerts_test.yaml"))
	alerts, err := os.ReadFile(filepath.Join(docs, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dashboard, err := os.ReadFile(filepath.Join(docs, "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(dashboard, &board); err != nil || len(board.Panels) < 10 {
		t.Fatalf("dashboard with %d panels: %v", len(board.Panels), err)
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	ids := make(map[int]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v is not whole", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			quoted, err := json.Marshal(expr)
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString("  - {record: \"panel:" + regexp.MustCompile(`\W`).ReplaceAllString(p.Title+target.Expr, "_") + "\", expr: " + string(quoted) + "}\n")
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)

	names := make(map[string]bool)
	for _, name := range regexp.MustCompile(`camkrazy_[a-z_]+`).FindAllString(string(alerts)+string(dashboard), -1) {
		names[name] = true
	}
	if len(names) < 15 {
		t.Errorf("only %d metrics are used", len(names))
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("%s is in the dashboard or the alerts, and not in /metrics", name)
		}
	}
}
