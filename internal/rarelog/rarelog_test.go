package rarelog_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/rarelog"
)

func TestRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		var r rarelog.Rarely
		for _, tt := range []struct {
			pause time.Duration
			want  string
		}{
			{0, "level=WARN msg=bang n=1\n"},
			{0, ""},
			{9 * time.Second, ""},
			{time.Second, "level=WARN msg=bang n=1 unlogged=2\n"},
			{10 * time.Second, "level=WARN msg=bang n=1\n"},
		} {
			time.Sleep(tt.pause)
			log.Reset()
			r.Warn(logger, "bang", "n", 1)
			_, got, _ := bytes.Cut(log.Bytes(), []byte(" "))
			if string(got) != tt.want {
				t.Errorf("after %v: got %q, want %q", tt.pause, got, tt.want)
			}
		}
	})
}
