package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

const (
	// boardTries and boardPause are how often VideoCore is asked for its MMAL service before it counts as one that has
	// none. A program that was killed a moment ago may still be in the way.
	boardTries = 30
	boardPause = time.Second
)

// findBoard says at once what no wait can help against: that this machine has no VideoCore, or not for this user.
func findBoard() error {
	d, err := vchiq.Open()
	if err == nil {
		return d.Close()
	}
	if refusal, is := errors.AsType[*vchiq.Error](err); errors.Is(err, errors.ErrUnsupported) || is && refusal.Unreachable() {
		return withoutBoard(err)
	}
	return nil // whoever opens the service sees it too
}

type dialer func(context.Context) (mmal.Transport, error)

// boardOpener returns what opens the MMAL service of a board's VideoCore. What a restart cannot help against is giveUp, at
// once where worked says that there have been pictures: then the cause is not that VideoCore is slow to start.
func boardOpener(worked func() bool) dialer {
	return func(ctx context.Context) (mmal.Transport, error) { return tryBoard(ctx, vchiq.Dial, worked) }
}

func tryBoard(ctx context.Context, dial dialer, worked func() bool) (mmal.Transport, error) {
	for try := 1; ; try++ {
		t, err := dial(ctx)
		if err == nil {
			return traced(t), nil
		}
		refusal, _ := errors.AsType[*vchiq.Error](err)
		switch {
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, vchiq.ErrVersion):
			return nil, withoutBoard(err)
		case refusal == nil || !refusal.Lasting():
			return nil, err
		case refusal.Unreachable() || try == boardTries || worked():
			return nil, withoutBoard(err)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(boardPause):
		}
	}
}

// withoutBoard says what can be done on this machine.
func withoutBoard(err error) error {
	return giveUp{fmt.Errorf("%w; --emulate runs without a board", err)}
}
