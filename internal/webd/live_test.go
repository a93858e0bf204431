package webd

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/live"
)

// idr is an IDR picture of 640x480; its parameter sets are x264's.
func idr(n int) camera.AccessUnit {
	return camera.AccessUnit{PTS: time.Duration(n) * time.Second / 5, IDR: true, NALs: [][]byte{
		{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d, 0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48},
		{0x68, 0xcb, 0x83, 0xcb, 0x20}, append([]byte{0x65}, make([]byte, 1000)...)}}
}

func liveConfig() (Config, *live.Stream) {
	cfg, stream := testConfig(), live.New(live.Config{Name: "lqstream", FrameRate: 5})
	cfg.Live = map[string]*live.Stream{"lqstream": stream}
	return cfg, stream
}

func TestLive(t *testing.T) {
	cfg, stream := liveConfig()
	srv := httptest.NewServer(New(cfg).Handler())
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go feed(ctx, stream)
	rsp, err := http.Get(srv.URL + "/live/lqstream.mp4")
	if err != nil {
		t.Fatal(err)
	}
	if kind := rsp.Header.Get("Content-Type"); rsp.StatusCode != 200 || kind != `video/mp4; codecs="avc1.42c01e"` {
		t.Errorf("got %d, %q", rsp.StatusCode, kind)
	}
	head := make([]byte, 5000)
	if _, err := io.ReadFull(rsp.Body, head); err != nil || string(head[4:8]) != "ftyp" || !strings.Contains(string(head), "moof") {
		t.Errorf("got %q (%v)", head[:40], err)
	}
	if n := stream.Stats().Watchers; n != 1 {
		t.Errorf("%d watchers, want 1", n)
	}
	rsp.Body.Close()
	left := time.NewTicker(time.Millisecond)
	defer left.Stop()
	for stream.Stats().Watchers != 0 {
		<-left.C
	}
	rsp, err = http.Head(srv.URL + "/live/lqstream.mp4")
	if err != nil || rsp.StatusCode != 200 || !strings.HasPrefix(rsp.Header.Get("Content-Type"), "video/mp4") {
		t.Errorf("HEAD: %v, %v", rsp, err)
	}
}

// TestWatchersAreBounded holds that there is an end to live views, and that who leaves makes room.
func TestWatchersAreBounded(t *testing.T) {
	cfg, stream := liveConfig()
	srv := httptest.NewServer(New(cfg).Handler())
	t.Cleanup(srv.Close)
	go feed(t.Context(), stream)
	watch := func() *http.Response {
		rsp, err := http.Get(srv.URL + "/live/lqstream.mp4")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rsp.Body.Close() })
		return rsp
	}
	var last *http.Response
	for range maxWatchers {
		if last = watch(); last.StatusCode != 200 {
			t.Fatalf("got %s, want room for %d", last.Status, maxWatchers)
		}
	}
	rsp := watch()
	if rsp.StatusCode != 503 || rsp.Header.Get("Retry-After") == "" || !strings.Contains(body(t, rsp), "all 64 live views are taken") {
		t.Errorf("one too many: got %s, %v", rsp.Status, rsp.Header)
	}
	if n := stream.Stats().Watchers; n != maxWatchers {
		t.Errorf("%d watchers, want %d", n, maxWatchers)
	}
	last.Body.Close()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for watch().StatusCode != 200 {
		<-again.C
	}
}

// feed gives a stream pictures until ctx is done.
func feed(ctx context.Context, stream *live.Stream) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			stream.Write(idr(n))
		case <-ctx.Done():
			return
		}
	}
}

func TestLiveRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := liveConfig()
		for path, want := range map[string]int{
			"/live/lqstream": 404, "/live/": 404, "/live/other.mp4": 404, "/live/..%2f..%2fetc%2fpasswd": 404, "/live/lqstream.mp4/x": 404,
			"/live/lqstream.mp4": 503,
		} {
			began := time.Now()
			rsp := get(cfg, "GET", path)
			if rsp.StatusCode != want || time.Since(began) > firstPicture {
				t.Errorf("%s: got %d after %v, want %d", path, rsp.StatusCode, time.Since(began), want)
			}
			if want == 503 && (!strings.Contains(body(t, rsp), "no picture") || rsp.Header.Get("Retry-After") == "") {
				t.Errorf("%s: got %v", path, rsp.Header)
			}
		}
	})
}
