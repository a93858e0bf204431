package camera

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/recovery"
)

// TestPermanent: what would end the program for good is mended like other trouble where there have been pictures.
func TestPermanent(t *testing.T) {
	for _, lasting := range []error{ErrPermanent, ErrNoSupport} {
		ladder := recovery.New(recovery.Config{Now: func() time.Duration { return time.Hour }})
		c := &Camera{log: slog.New(slog.DiscardHandler), ladder: ladder}
		refusal := &openError{fmt.Errorf("CREATE_SERVICE: %w", lasting)}
		if err := c.decide(t.Context(), refusal); err != refusal {
			t.Errorf("%v: got %v at the start", lasting, err)
		}
		ladder.Healthy()
		err := c.decide(t.Context(), refusal)
		r, is := errors.AsType[*remedy](err)
		if !is || r.Step != recovery.Reconnect || errors.Is(err, lasting) {
			t.Errorf("%v: got %v after pictures, want to connect anew", lasting, err)
		}
	}
}
