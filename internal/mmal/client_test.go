package mmal

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// asked is a request that the firmware has not answered.
type asked struct {
	h   Header
	msg []byte
}

// mute is a fake that keeps all requests to itself.
func mute(got *[]asked) fake {
	return func(h Header, msg, _ []byte) []says {
		*got = append(*got, asked{h, msg})
		return nil
	}
}

func TestRepliesOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []asked
		r := start(t, mute(&got))
		const n = 5
		var values [n]ParameterID
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var rep ParameterGetReply
				req := &ParameterGetRequest{ID: ParameterID(i + 1), Size: parameterHeader}
				if err := r.client.call(t.Context(), PortParameterGet, req, &rep); err != nil {
					t.Error(err)
				}
				values[i] = rep.ID
			})
		}
		synctest.Wait()
		if len(got) != n {
			t.Fatalf("firmware got %d requests, want %d", len(got), n)
		}
		for i := range n { // neither first to last nor last to first
			a := got[(i*3+2)%n]
			var req ParameterGetRequest
			if err := Decode(a.msg, &req); err != nil {
				t.Fatal(err)
			}
			if a.h.Context == 0 {
				t.Error("request with context 0")
			}
			r.say(answer(a.h, &ParameterGetReply{ID: req.ID, Size: parameterHeader})[0].msg, nil)
		}
		wg.Wait()
		for i, id := range values {
			if want := ParameterID(i + 1); id != want {
				t.Errorf("call %d got the reply of %d", want, id)
			}
		}
	})
}

func TestBadReplies(t *testing.T) {
	whole := func(m Message) func(Header) []byte {
		return func(h Header) []byte { return answer(h, m)[0].msg }
	}
	cut := func(n int, m Message) func(Header) []byte {
		return func(h Header) []byte { return answer(h, m)[0].msg[:n] }
	}
	tests := map[string]struct {
		reply func(Header) []byte
		want  error
	}{
		"refusal":                   {whole(&CreateReply{Status: ENoMem}), ENoMem},
		"refusal without the rest":  {whole(&Reply{Status: ENoMem}), ENoMem},
		"refusal cut in the middle": {cut(36, &CreateReply{Status: ENoSpc}), ENoSpc},
		"unknown status":            {whole(&Reply{Status: 99}), Status(99)},
		"success cut short":         {cut(36, &CreateReply{}), ErrMalformed},
		"no status":                 {cut(HeaderSize, &CreateReply{}), ErrMalformed},
		"other id": {func(h Header) []byte {
			h.ID = ComponentDestroy
			return answer(h, &CreateReply{})[0].msg
		}, ErrProtocol},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirmware(1, 1)
				r := start(t, func(h Header, msg, bulk []byte) []says {
					if h.ID == ComponentCreate {
						return []says{{msg: tt.reply(h)}}
					}
					return f.hear(h, msg, bulk)
				})
				_, err := r.client.CreateComponent(t.Context(), "ril.camera", nil)
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if op, ok := errors.AsType[*OpError](err); !ok || op.Object != "ril.camera" {
					t.Errorf("got %#v, want an OpError of ril.camera", err)
				}
				if _, _, err := r.client.Version(t.Context()); err != nil {
					t.Errorf("next call: %v", err)
				}
			})
		})
	}
}

func TestNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []asked
		r := start(t, mute(&got))
		begin := time.Now()
		_, _, err := r.client.Version(t.Context())
		if !errors.Is(err, ErrNoReply) {
			t.Errorf("got %v, want %v", err, ErrNoReply)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("gave up after %v, want 3s", took)
		}

		var major uint32
		var wg sync.WaitGroup
		wg.Go(func() { major, _, err = r.client.Version(t.Context()) })
		synctest.Wait()
		r.say(answer(got[0].h, &Version{Major: 1})[0].msg, nil) // late
		r.wantLog("reply that nobody waits for", "GET_VERSION")
		r.say(answer(got[1].h, &Version{Major: 2})[0].msg, nil)
		wg.Wait()
		if err != nil || major != 2 {
			t.Errorf("next call got version %d, %v, want 2", major, err)
		}
		r.say(answer(got[1].h, &Version{Major: 3})[0].msg, nil) // twice
		r.wantLog("reply that nobody waits for", "context=2")
	})
}

func TestCallGivenUp(t *testing.T) {
	cause := errors.New("enough of it")
	tests := map[string]struct {
		limit func(context.Context) (context.Context, context.CancelFunc)
		want  error
		after time.Duration
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(cause) })
			return ctx, func() { cancel(nil) }
		}, cause, time.Second},
		"own deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2*time.Second)
		}, context.DeadlineExceeded, 2 * time.Second},
		"later deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, ErrNoReply, 3 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []asked
				r := start(t, mute(&got))
				ctx, cancel := tt.limit(t.Context())
				defer cancel()
				begin := time.Now()
				_, _, err := r.client.Version(ctx)
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if took := time.Since(begin); took != tt.after {
					t.Errorf("gave up after %v, want %v", took, tt.after)
				}
				if n := len(r.client.calls); n != 0 {
					t.Errorf("%d calls are still awaited", n)
				}
			})
		})
	}
}

// TestFullQueue has more callers than the queue of requests holds, with a firmware that takes none of them.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		r := start(t, func(h Header, msg, _ []byte) []says {
			<-block
			return answer(h, &Version{})
		})
		var wg sync.WaitGroup
		for range 2 * sendQueue {
			wg.Go(func() {
				if _, _, err := r.client.Version(t.Context()); !errors.Is(err, ErrNoReply) {
					t.Errorf("got %v, want %v", err, ErrNoReply)
				}
			})
		}
		wg.Wait()
		close(block)
		synctest.Wait()
		if _, _, err := r.client.Version(t.Context()); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

func TestServiceEnds(t *testing.T) {
	sent := os.NewSyscallError("ioctl", syscall.ENOTCONN)
	tests := map[string]struct {
		end  func(*rig)
		want error
	}{
		"firmware closes":   {func(r *rig) { r.Close() }, ErrClosed},
		"protocol broken":   {func(r *rig) { r.say([]byte("mmal"), nil) }, ErrProtocol},
		"message not taken": {func(r *rig) { r.breakSend(sent) }, sent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []asked
				r := start(t, mute(&got))
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, _, err := r.client.Version(t.Context())
						if !errors.Is(err, ErrClosed) || !errors.Is(err, tt.want) {
							t.Errorf("pending call: got %v, want %v and %v", err, ErrClosed, tt.want)
						}
					})
				}
				synctest.Wait()
				begin := time.Now()
				tt.end(r)
				wg.Wait()
				if err := r.end(); !errors.Is(err, tt.want) {
					t.Errorf("Run: got %v, want %v", err, tt.want)
				}
				if _, _, err := r.client.Version(t.Context()); !errors.Is(err, ErrClosed) {
					t.Errorf("later call: got %v, want %v", err, ErrClosed)
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("calls waited %v for what cannot come", took)
				}
				select {
				case <-r.closed:
				default:
					t.Error("transport is still open")
				}
			})
		})
	}
}

// breakSend makes the next message fail, and provokes it.
func (r *rig) breakSend(err error) {
	r.mu.Lock()
	r.sendErr = err
	r.mu.Unlock()
	r.client.requests <- Append(nil, Header{ID: GetVersion, Context: 1 << 31}, &Version{})
}

func TestRunCancelled(t *testing.T) {
	tests := map[string]error{
		"plain":      nil,
		"with cause": errors.New("another component failed"),
		"same error": ErrClosed,
	}
	for name, cause := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []asked
				r := start(t, mute(&got))
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, _, err := r.client.Version(t.Context()); !errors.Is(err, ErrClosed) {
						t.Errorf("pending call: got %v, want %v", err, ErrClosed)
					}
				})
				synctest.Wait()
				r.cancel(cause)
				if err := r.end(); err != nil {
					t.Errorf("Run: got %v, want nil", err)
				}
				wg.Wait()
			})
		})
	}
}

func TestRunCancelledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		w := newWire(newFirmware(0, 0).hear)
		if err := New(w, nil).Run(ctx); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestOpError(t *testing.T) {
	kernel := os.NewSyscallError("ioctl", syscall.ENOTCONN)
	tests := map[string]struct {
		err  *OpError
		want string
		is   error
	}{
		"firmware refused": {
			&OpError{"enable component", "ril.camera", ENoSpc},
			"enable component ril.camera: firmware answered ENOSPC", ENoSpc,
		},
		"kernel refused": {
			&OpError{"set BRIGHTNESS of port", "ril.camera:control", kernel},
			"set BRIGHTNESS of port ril.camera:control: ioctl: " + syscall.ENOTCONN.Error(), syscall.ENOTCONN,
		},
		"nobody answered": {
			&OpError{"enable port", "ril.camera:out1", ErrNoReply},
			"enable port ril.camera:out1: firmware did not answer in time", ErrNoReply,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var err error = tt.err
			if got := err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, target := range []error{ENoSpc, syscall.ENOTCONN, ErrNoReply, fs.ErrClosed, io.EOF} {
				if got, want := errors.Is(err, target), target == tt.is; got != want {
					t.Errorf("is %q: %v, want %v", target, got, want)
				}
			}
			if _, got := errors.AsType[Status](err); got != (tt.is == ENoSpc) {
				t.Errorf("is a Status: %v", got)
			}
			if _, got := errors.AsType[*os.SyscallError](err); got != (tt.is == syscall.ENOTCONN) {
				t.Errorf("is a SyscallError: %v", got)
			}
		})
	}
	if err := opError("enable", "ril.camera", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// TestOpErrors has each operation fail, and wants to read which one on what.
func TestOpErrors(t *testing.T) {
	tests := map[string]struct {
		refused MessageID
		do      func(context.Context, *Component) error
	}{
		"enable component ril.x":                    {ComponentEnable, func(ctx context.Context, c *Component) error { return c.Enable(ctx) }},
		"disable component ril.x":                   {ComponentDisable, func(ctx context.Context, c *Component) error { return c.Disable(ctx) }},
		"destroy component ril.x":                   {ComponentDestroy, func(ctx context.Context, c *Component) error { return c.Destroy(ctx) }},
		"get info of port ril.x:in0":                {PortInfoGet, func(ctx context.Context, c *Component) error { return c.Inputs[0].Refresh(ctx) }},
		"enable port ril.x:out0":                    {PortAction, func(ctx context.Context, c *Component) error { return c.Outputs[0].Enable(ctx, Buffers{}, nil) }},
		"disable port ril.x:out0":                   {PortAction, func(ctx context.Context, c *Component) error { return c.Outputs[0].Disable(ctx) }},
		"flush port ril.x:out0":                     {PortAction, func(ctx context.Context, c *Component) error { return c.Outputs[0].Flush(ctx) }},
		"connect to ril.x:in0 from port ril.x:out0": {PortAction, func(ctx context.Context, c *Component) error { return c.Outputs[0].Connect(ctx, c.Inputs[0]) }},
		"disconnect port ril.x:out0":                {PortAction, func(ctx context.Context, c *Component) error { return c.Outputs[0].Disconnect(ctx) }},
		"commit format of port ril.x:out0":          {PortInfoSet, func(ctx context.Context, c *Component) error { return c.Outputs[0].Commit(ctx, Format{}, Buffers{}) }},
		"set BRIGHTNESS of port ril.x:control":      {PortParameterSet, func(ctx context.Context, c *Component) error { return c.Control.Set(ctx, &Ratio{ID: ParamBrightness}) }},
		"get CAMERA_INFO of port ril.x:control":     {PortParameterGet, func(ctx context.Context, c *Component) error { return c.Control.Get(ctx, &CameraInfo{}) }},
		"enable tunnel at port ril.x:out0": {PortAction, func(ctx context.Context, c *Component) error {
			return c.Outputs[0].EnableTunnel(ctx, c.Inputs[0], Buffers{})
		}},
	}
	for op, tt := range tests {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirmware(1, 1)
				refuse := false
				r := start(t, func(h Header, msg, bulk []byte) []says {
					if refuse {
						return fail(tt.refused, EIO, f.hear)(h, msg, bulk)
					}
					return f.hear(h, msg, bulk)
				})
				c := r.create("ril.x", nil)
				synctest.Wait()
				refuse = true
				err := tt.do(t.Context(), c)
				want := op + ": " + EIO.Error()
				if err == nil || err.Error() != want || !errors.Is(err, EIO) {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		})
	}
}

// create makes a component.
func (r *rig) create(name string, onEvent func(Event)) *Component {
	r.Helper()
	c, err := r.client.CreateComponent(r.Context(), name, onEvent)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func TestVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, expect(t, newFirmware(0, 0).hear, GetVersion))
		major, minor, err := r.client.Version(t.Context())
		if err != nil || major != 16 || minor != 1 {
			t.Errorf("got %d.%d, %v, want 16.1", major, minor, err)
		}
		if strings.Contains(r.logged.String(), "WARN") {
			t.Errorf("logged:\n%s", r.logged.String())
		}
	})
}
