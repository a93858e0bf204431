package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

// TestOpenBoard: what a restart cannot help against ends the program for good, but not before it is sure.
func TestOpenBoard(t *testing.T) {
	const open, create = "open " + vchiq.Path, "CREATE_SERVICE"
	tests := []struct {
		name     string
		err      error
		worked   bool // there have been pictures
		tries    int
		hopeless bool
	}{
		{"no driver", &vchiq.Error{Request: open, Errno: syscall.ENOENT}, false, 1, true},
		{"not for this user", &vchiq.Error{Request: open, Errno: syscall.EACCES}, false, 1, true},
		{"no MMAL service", &vchiq.Error{Request: create, Errno: syscall.EIO}, false, boardTries, true},
		{"no MMAL service any more", &vchiq.Error{Request: create, Errno: syscall.EIO}, true, 1, true},
		{"another driver", &vchiq.Error{Request: "GET_CONFIG", Errno: syscall.ENOTTY}, false, boardTries, true},
		{"VideoCore is not up", &vchiq.Error{Request: open, Errno: syscall.ENOTCONN}, false, 1, false},
		{"VideoCore is silent", fmt.Errorf("open: %w", vchiq.ErrStuck), false, 1, false},
		{"driver from the future", fmt.Errorf("open: %w", vchiq.ErrVersion), false, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, began := 0, time.Now()
				_, err := tryBoard(t.Context(), func(context.Context) (mmal.Transport, error) {
					tries++
					return nil, tt.err
				}, func() bool { return tt.worked })
				_, hopeless := errors.AsType[giveUp](err)
				if tries != tt.tries || hopeless != tt.hopeless || !errors.Is(err, tt.err) {
					t.Errorf("got %v after %d tries, hopeless: %v; want %d, %v", err, tries, hopeless, tt.tries, tt.hopeless)
				}
				if took := time.Since(began); took != time.Duration(tt.tries-1)*boardPause {
					t.Errorf("took %v", took)
				}
			})
		})
	}
	t.Run("told to stop", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := tryBoard(ctx, func(context.Context) (mmal.Transport, error) {
			cancel()
			return nil, &vchiq.Error{Request: create, Errno: syscall.EIO}
		}, func() bool { return false })
		if _, hopeless := errors.AsType[giveUp](err); err == nil || hopeless {
			t.Errorf("got %v, want an error that says nothing of the board", err)
		}
	})
}
