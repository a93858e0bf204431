package rtspd

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
)

// allowed are the methods that a viewer needs.
const allowed = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, TEARDOWN"

// handler answers gortsplib's callbacks for one Run.
type handler struct {
	s    *Server
	done <-chan struct{} // closed when the server is to end
}

// caller is the user data of a connection. OnRequest and OnResponse run in the connection's goroutine, and the calls
// between them happen while that waits for them.
type caller struct {
	guest *guest // nil if refused
	request
}

// request is what a connection's present request is about.
type request struct {
	method base.Method
	stream *stream // named by the request; nil if none
	began  bool    // the session has just begun to play stream
}

func ok() *base.Response { return &base.Response{StatusCode: base.StatusOK} }

// OnConnOpen implements gortsplib.ServerHandlerOnConnOpen.
func (h *handler) OnConnOpen(ctx *gortsplib.ServerHandlerOnConnOpenCtx) {
	remote := ctx.Conn.NetConn().RemoteAddr()
	guest, err := h.s.guests.enter(remote.(*net.TCPAddr).IP.String(), ctx.Conn.Close)
	if err != nil {
		h.s.log.Warn("connection refused", "remote", remote, "err", err)
		ctx.Conn.Close()
	}
	ctx.Conn.SetUserData(&caller{guest: guest})
}

// OnConnClose implements gortsplib.ServerHandlerOnConnClose.
func (h *handler) OnConnClose(ctx *gortsplib.ServerHandlerOnConnCloseCtx) {
	if guest := current(ctx.Conn).guest; guest != nil {
		h.s.guests.leave(guest)
	}
}

// OnRequest implements gortsplib.ServerHandlerOnRequest.
func (h *handler) OnRequest(conn *gortsplib.ServerConn, req *base.Request) {
	c := current(conn)
	c.request = request{method: req.Method}
	if c.guest != nil {
		h.s.guests.ask(c.guest)
	}
	if req.Method == base.Setup {
		// The library makes every GStreamer wait for a second here, because of a fault in its publisher.
		delete(req.Header, "User-Agent")
		if isTLS(conn) {
			offerInterleaved(req.Header)
		}
	}
}

// offerInterleaved removes all other transports from what a viewer offers in a SETUP, of which the library would take
// the first, unless nothing would be left.
func offerInterleaved(h base.Header) {
	var offered headers.Transports
	if offered.Unmarshal(h["Transport"]) != nil {
		return // the library refuses it
	}
	offered = slices.DeleteFunc(offered, func(t headers.Transport) bool { return t.Protocol != headers.TransportProtocolTCP })
	if len(offered) > 0 {
		h["Transport"] = offered.Marshal()
	}
}

// OnDescribe implements gortsplib.ServerHandlerOnDescribe.
func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	if !h.known(ctx.Conn, ctx.Request) {
		return unauthorized(), nil, liberrors.ErrServerAuth{}
	}
	st := h.find(ctx.Path)
	if st == nil {
		return h.notFound(), nil, nil
	}
	timeout := time.NewTimer(h.s.wait)
	defer timeout.Stop()
	select {
	case <-st.ready:
	case <-timeout.C:
		return unavailable(), nil, nil
	case <-h.done:
		return unavailable(), nil, nil
	}
	out := st.out.Load()
	if out == nil {
		return unavailable(), nil, nil
	}
	current(ctx.Conn).stream = st
	return ok(), out, nil
}

// OnSetup implements gortsplib.ServerHandlerOnSetup.
func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	if !h.known(ctx.Conn, ctx.Request) {
		return unauthorized(), nil, liberrors.ErrServerAuth{}
	}
	st := h.find(ctx.Path)
	if st == nil || !firstTrack(ctx.Request.URL) {
		return h.notFound(), nil, nil
	}
	if ctx.Transport.Protocol != gortsplib.ProtocolTCP && isTLS(ctx.Conn) {
		return &base.Response{
			StatusCode:    base.StatusUnsupportedTransport,
			StatusMessage: "Unsupported Transport (over RTSPS only interleaved, which is encrypted)",
		}, nil, nil
	}
	out := st.out.Load()
	if out == nil {
		return unavailable(), nil, nil
	}
	return ok(), out, nil
}

// OnPlay implements gortsplib.ServerHandlerOnPlay. The library has made the session's queue, but sends to it only
// after we return, so that what greet sends goes ahead of all else.
func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	st := h.find(ctx.Session.Path())
	if st == nil {
		return h.notFound(), nil
	}
	remote := ctx.Conn.NetConn().RemoteAddr().String()
	if !h.s.viewers.play(ctx.Session, st, remote) {
		return ok(), nil
	}
	if err := st.greet(ctx.Session, h.s.fresh); err != nil {
		st.log.Warn("greet viewer", "remote", remote, "err", err)
	}
	r := current(ctx.Conn)
	r.stream, r.began = st, true
	st.log.Info("viewer joined", "remote", remote, "transport", transportName(ctx.Session))
	return ok(), nil
}

// OnPause implements gortsplib.ServerHandlerOnPause.
func (h *handler) OnPause(ctx *gortsplib.ServerHandlerOnPauseCtx) (*base.Response, error) {
	h.s.viewers.pause(ctx.Session)
	return ok(), nil
}

// OnResponse implements gortsplib.ServerHandlerOnResponse. It amends what the library gives no other way to.
func (h *handler) OnResponse(conn *gortsplib.ServerConn, res *base.Response) {
	r := current(conn)
	switch {
	case r.method == base.Announce || r.method == base.Record:
		res.StatusCode = base.StatusMethodNotAllowed
		res.StatusMessage = "Method Not Allowed (this camera can be watched, not published to)"
		res.Header["Allow"] = base.HeaderValue{allowed}
	case res.StatusCode != base.StatusOK:
	case r.method == base.Describe && r.stream != nil:
		res.Body = appendFrameRate(res.Body, r.stream.rate)
	case r.began:
		dropTimestamp(res.Header)
		// Only here does the library send to the session, so that the picture we ask for cannot come too early.
		r.stream.keys.want(time.Now())
	}
	// Some players keep the connection while they ask a person for the password: the library's idle timeout, 60 s, is
	// enough then.
	if r.guest != nil && res.StatusCode != base.StatusUnauthorized {
		h.s.guests.answer(r.guest, h.s.viewers.joined(conn.Session()))
	}
}

// OnStreamWriteError implements gortsplib.ServerHandlerOnStreamWriteError. It is called from within the stream's
// write, for every packet that found a viewer's queue full. The session is closed at the first: what followed would
// be a broken group of pictures. Close does not wait.
func (h *handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	ctx.Session.Close()
	h.dropped(ctx.Session, ctx.Error)
}

// OnSessionClose implements gortsplib.ServerHandlerOnSessionClose.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	if timeout, is := errors.AsType[net.Error](ctx.Error); is && timeout.Timeout() {
		h.dropped(ctx.Session, ctx.Error)
	}
	if v := h.s.viewers.remove(ctx.Session); v != nil {
		v.stream.log.Info("viewer left", "remote", v.remote, "reason", ctx.Error)
	}
}

// OnDecodeError implements gortsplib.ServerHandlerOnDecodeError: RTCP from a viewer that is no RTCP.
func (h *handler) OnDecodeError(ctx *gortsplib.ServerHandlerOnDecodeErrorCtx) {
	h.s.log.Debug("decode packet from viewer", "err", ctx.Error)
}

// dropped counts and logs, once per session, that it was too slow.
func (h *handler) dropped(s *gortsplib.ServerSession, err error) {
	v := h.s.viewers.drop(s)
	if v == nil {
		return
	}
	v.stream.drops.Add(1)
	v.stream.log.Warn("viewer too slow, disconnected", "remote", v.remote, "err", err)
}

// find returns the stream of a path, with or without slashes around it, or nil.
func (h *handler) find(path string) *stream { return h.s.streams[strings.Trim(path, "/")] }

// known says whether a request comes from somebody who may watch. The library answers the first request, which cannot
// know the challenge yet, with it, and closes the connection after a wrong answer.
func (h *handler) known(conn *gortsplib.ServerConn, req *base.Request) bool {
	if len(h.s.users) == 0 {
		return true
	}
	found := false
	for _, u := range h.s.users {
		found = conn.VerifyCredentials(req, u.Name, u.Password) || found
	}
	return found
}

func unauthorized() *base.Response { return &base.Response{StatusCode: base.StatusUnauthorized} }

func (h *handler) notFound() *base.Response {
	var names []string
	for name := range h.s.streams {
		names = append(names, "/"+name)
	}
	slices.Sort(names)
	return &base.Response{
		StatusCode:    base.StatusNotFound,
		StatusMessage: "Not Found (streams: " + strings.Join(names, " ") + ")",
	}
}

func unavailable() *base.Response {
	return &base.Response{
		StatusCode:    base.StatusServiceUnavailable,
		StatusMessage: "Service Unavailable (no picture from the camera yet)",
		Header:        base.Header{"Retry-After": base.HeaderValue{"2"}},
	}
}

func current(conn *gortsplib.ServerConn) *caller { return conn.UserData().(*caller) }

// isTLS says whether a connection came by TLS and is no tunnel, over which the library allows no UDP anyway.
func isTLS(conn *gortsplib.ServerConn) bool {
	_, is := conn.NetConn().(*tls.Conn)
	return is
}

func transportName(s *gortsplib.ServerSession) string {
	if t := s.Transport(); t != nil && t.Protocol == gortsplib.ProtocolUDP {
		return "udp"
	}
	return "tcp"
}

// firstTrack reports whether the URL of a SETUP names track 0, the only one, or none. FFmpeg puts it after the query,
// others in front.
func firstTrack(u *base.URL) bool {
	_, track, found := strings.Cut(u.Path+"?"+u.RawQuery, "/trackID=")
	track, _, _ = strings.Cut(track, "?")
	return !found || track == "0"
}

// appendFrameRate adds the rate (RFC 8866 section 6.13) to the last media of a session description.
func appendFrameRate(sdp []byte, rate float64) []byte {
	if rate <= 0 {
		return sdp
	}
	sdp = append(sdp, "a=framerate:"...)
	sdp = strconv.AppendFloat(sdp, rate, 'f', -1, 64)
	return append(sdp, "\r\n"...)
}

// dropTimestamp removes rtptime from RTP-Info. The library guesses it from the clock, 100 ms back; a picture that was
// delayed by more would begin before the session does, and get a negative time in players. Without, they begin at the
// first picture. The sequence number stays.
func dropTimestamp(h base.Header) {
	var info headers.RTPInfo
	if info.Unmarshal(h["RTP-Info"]) != nil {
		return // the library wrote it
	}
	for _, e := range info {
		e.Timestamp = nil
	}
	h["RTP-Info"] = info.Marshal()
}
