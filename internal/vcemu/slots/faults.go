package slots

import (
	"slices"

	"github.com/camkrazy/camkrazy/internal/mmal"
)

// Parcel is one message to a client, and the bulk transfer behind it, nil if there is none.
type Parcel struct {
	Message, Bulk []byte
}

// Tamper replaces a message to a client by those that it returns, none for silence. It may keep or change neither
// argument, and may not wait. It is called for one message at a time.
type Tamper func(msg, bulk []byte) []Parcel

// Tamper lets f tamper with all messages that sessions send from now on; nil sends them as they are.
func (v *VideoCore) Tamper(f Tamper) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tamper = f
}

// Mute makes VideoCore read and write nothing in the slots, as if it had crashed, until it is ended. The mailbox works.
// A client that is killed meanwhile cannot be freed by the guest's kernel, which waits for an answer.
func (v *VideoCore) Mute(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mute = on
	v.kick()
}

func (v *VideoCore) muted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.mute
}

// CloseServices closes all services from VideoCore's side.
func (v *VideoCore) CloseServices() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closeAll = true
	v.kick()
}

// Inject sends a message of the slot protocol that VideoCore has no reason to send. One of more than 4088 bytes is cut.
func (v *VideoCore) Inject(typ uint8, src, dst uint16, payload []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	payload = slices.Clone(payload[:min(len(payload), maxPayload)])
	v.injected = append(v.injected, outgoing{msgid(kind(typ), src&portMask, dst&portMask), payload})
	v.kick()
}

// Silence drops the reply to the first request of that kind, and all messages from then on.
func Silence(id mmal.MessageID) Tamper {
	silent := false
	return func(msg, bulk []byte) []Parcel {
		h, err := mmal.DecodeHeader(msg)
		silent = silent || err == nil && h.ID == id
		if silent {
			return nil
		}
		return []Parcel{{msg, bulk}}
	}
}

// Garbage replaces the first message of that kind by bytes that mean nothing, as many.
func Garbage(id mmal.MessageID) Tamper {
	return first(id, func(msg, bulk []byte) []Parcel {
		bad := make([]byte, len(msg))
		for i := range bad {
			bad[i] = byte(i*i + 7*i + 0xa5)
		}
		return []Parcel{{bad, bulk}}
	})
}

// UnknownPort sends, before the first buffer, an empty one for a port that does not exist, with a context that the
// client never chose.
func UnknownPort() Tamper {
	return first(mmal.BufferToHost, func(msg, bulk []byte) []Parcel {
		var m mmal.BufferMessage
		h, err := mmal.DecodeHeader(msg)
		if err != nil || mmal.Decode(msg, &m) != nil {
			return []Parcel{{msg, bulk}}
		}
		m.Buffer.Port += 1000
		m.Buffer.Context ^= 0x5a5a5a5a
		m.Length, m.InMessage = 0, 0
		return []Parcel{{mmal.Append(nil, h, &m), nil}, {msg, bulk}}
	})
}

// Twice sends the first buffer with something in it twice, its bulk transfer too.
func Twice() Tamper {
	sent := false
	return func(msg, bulk []byte) []Parcel {
		parcels := []Parcel{{msg, bulk}}
		if h, err := mmal.DecodeHeader(msg); !sent && bulk != nil && err == nil && h.ID == mmal.BufferToHost {
			sent = true
			parcels = append(parcels, Parcel{msg, bulk})
		}
		return parcels
	}
}

// first changes the first message of that kind by f.
func first(id mmal.MessageID, f Tamper) Tamper {
	done := false
	return func(msg, bulk []byte) []Parcel {
		h, err := mmal.DecodeHeader(msg)
		if done || err != nil || h.ID != id {
			return []Parcel{{msg, bulk}}
		}
		done = true
		return f(msg, bulk)
	}
}
