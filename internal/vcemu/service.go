package vcemu

import (
	"fmt"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Carrier takes a session's messages to a client that is not in this process, with VCHIQ's semantics.
type Carrier interface {
	// Transmit queues one message and, right behind it, one bulk transfer if bulk is not nil. It copies both, and must
	// neither block nor call the session.
	Transmit(msg, bulk []byte)
	// Wait returns when what is queued is not too much, or the session is closed. No request is executed meanwhile.
	Wait()
	// Shut says that the session is closed, by whomever. It may be called more than once, and must not block.
	Shut()
}

// Session is one client of the MMAL service whose messages come by a Carrier.
type Session struct {
	s *session
}

// Open opens the MMAL service: a new client of the firmware's, with its own components, which c carries messages to.
// It fails with ErrNotRunning before Run has begun and after it has ended.
func (v *VideoCore) Open(c Carrier) (*Session, error) {
	select {
	case <-v.started:
	default:
		return nil, fmt.Errorf("open MMAL service: %w", ErrNotRunning)
	}
	s, err := v.open(carried{c})
	if err != nil {
		return nil, fmt.Errorf("open MMAL service: %w", err)
	}
	return &Session{s}, nil
}

// Feed takes one message from the client and the bulk transfer that belongs to it, nil if there is none. It copies
// both, and waits while many messages are still to be executed. It fails with mmal.ErrClosed.
func (s *Session) Feed(msg, bulk []byte) error { return s.s.feed(msg, bulk) }

// Close ends the session: when it returns, all components that the client made are destroyed, whatever they were at.
func (s *Session) Close() { s.s.close() }

// BulkOf returns the bytes of the bulk transfer that a message from the client announces, 0 if none. A payload that is
// not in its message follows by bulk transfer, rounded up to 4 bytes.
func BulkOf(msg []byte) int {
	h, err := mmal.DecodeHeader(msg)
	if err != nil || h.ID != mmal.BufferFromHost {
		return 0
	}
	var m mmal.BufferMessage
	if mmal.Decode(msg, &m) != nil || m.InMessage != 0 || m.ZeroCopy {
		return 0
	}
	return int((uint64(m.Length) + 3) &^ 3)
}

// carried is a Carrier as a session knows it.
type carried struct {
	Carrier
}

func (c carried) transmit(msg, bulk []byte) { c.Transmit(msg, bulk) }
func (c carried) wait()                     { c.Wait() }
func (c carried) shut()                     { c.Shut() }
