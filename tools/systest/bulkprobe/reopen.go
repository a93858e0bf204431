package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/camkrazy/camkrazy/internal/vchiq"
)

const (
	// openings is how often the service is opened anew.
	openings = 300
	// signalPeriod is the time between two signals for each thread: shorter than VideoCore takes to answer.
	signalPeriod = 200 * time.Microsecond
)

// reopen opens and closes the service while all threads get one signal after the other, as those of a busy program do
// from the Go runtime, and echoes a message each time.
func reopen(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	signalled := make(chan struct{})
	go func() {
		defer close(signalled)
		bombard(ctx)
	}()
	defer func() { <-signalled }()
	defer stop()
	for i := range openings {
		if err := echoOnce(ctx); err != nil {
			return fmt.Errorf("opening %d under signals: %w", i, err)
		}
	}
	return nil
}

// echoOnce opens the service, has one message echoed, and closes it.
func echoOnce(ctx context.Context) error {
	t, err := vchiq.Dial(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { t.Close() })()
	defer t.Close()
	if err := t.Send([]byte("again"), nil); err != nil {
		return err
	}
	d, err := t.Receive()
	if err != nil {
		return err
	}
	if string(d.Data) != "again" {
		return fmt.Errorf("message came back as %q", d.Data)
	}
	return nil
}

// bombard signals all threads of this process until ctx is done.
func bombard(ctx context.Context) {
	tick := time.NewTicker(signalPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			continue
		}
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = syscall.Tgkill(os.Getpid(), id, syscall.SIGURG) // it may have ended
			}
		}
	}
}
