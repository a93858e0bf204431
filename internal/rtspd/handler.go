package rtspd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
)

// allowed are the methods that a viewer needs.
const allowed = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, TEARDOWN"

// handler answers gortsplib's callbacks for one Run.
type handler struct {
	s   *Server
	ctx context.Context // of Run
}

// caller is the user data of a connection. OnRequest and OnResponse run in the connection's goroutine, and the calls
// between them happen while that waits for them.
type caller struct {
	guest *guest
	lane  *lane // nil in a tunnel through HTTP
	visitor
	request
}

// request is what a connection's present request is about.
type request struct {
	method base.Method
	stream *stream // named by the request; nil if none
	began  bool    // the session has just begun to play stream
	owed   bool    // and has no sender report yet
}

func ok() *base.Response { return &base.Response{StatusCode: base.StatusOK} }

// OnConnOpen implements gortsplib.ServerHandlerOnConnOpen.
func (h *handler) OnConnOpen(ctx *gortsplib.ServerHandlerOnConnOpenCtx) {
	conn := ctx.Conn
	remote := conn.NetConn().RemoteAddr().(*net.TCPAddr)
	c := &caller{visitor: visitor{remote: remote.String(), secure: isSecure(conn.NetConn())}}
	c.lane, _ = conn.NetConn().(*lane)
	c.guest = h.s.guests.enter(c.remote, func(reason error) {
		if reason != nil {
			h.s.crowded.Warn(h.s.log, "connection closed", "remote", remote, "reason", reason)
		}
		conn.Close()
	})
	conn.SetUserData(c)
}

// OnConnClose implements gortsplib.ServerHandlerOnConnClose.
func (h *handler) OnConnClose(ctx *gortsplib.ServerHandlerOnConnCloseCtx) {
	h.s.guests.leave(current(ctx.Conn).guest)
}

// OnRequest implements gortsplib.ServerHandlerOnRequest.
func (h *handler) OnRequest(conn *gortsplib.ServerConn, req *base.Request) {
	c := current(conn)
	c.request = request{method: req.Method}
	h.s.guests.ask(c.guest)
	if req.Method == base.Setup {
		// The library makes every GStreamer wait for a second here, because of a fault in its publisher.
		delete(req.Header, "User-Agent")
		if c.secure {
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
	st, res, err := h.admit(ctx.Conn, ctx.Request, ctx.Path)
	if st == nil {
		return res, nil, err
	}
	timeout := time.NewTimer(h.s.wait)
	defer timeout.Stop()
	select {
	case <-st.ready:
	case <-timeout.C:
		return unavailable(), nil, nil
	case <-h.ctx.Done():
		return unavailable(), nil, nil
	}
	out := st.out.Load()
	if out == nil {
		return unavailable(), nil, nil
	}
	current(ctx.Conn).stream = st
	return ok(), out, nil
}

// admit returns the stream of a path to somebody who may watch it, else how to answer.
func (h *handler) admit(conn *gortsplib.ServerConn, req *base.Request, path string) (*stream, *base.Response, error) {
	if res, err := h.s.door.admit(h.ctx, &current(conn).visitor, req); res != nil {
		return nil, res, err
	}
	st := h.find(path)
	if st == nil {
		return nil, h.notFound(), nil
	}
	return st, nil, nil
}

// OnSetup implements gortsplib.ServerHandlerOnSetup.
func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	st, res, err := h.admit(ctx.Conn, ctx.Request, ctx.Path)
	if st == nil {
		return res, nil, err
	}
	c := current(ctx.Conn)
	out := st.out.Load()
	switch {
	case !firstTrack(ctx.Request.URL):
		return h.notFound(), nil, nil
	case ctx.Transport.Protocol != gortsplib.ProtocolTCP && c.secure:
		return &base.Response{
			StatusCode:    base.StatusUnsupportedTransport,
			StatusMessage: "Unsupported Transport (over RTSPS only interleaved, which is encrypted)",
		}, nil, nil
	case out == nil:
		return unavailable(), nil, nil
	}
	ports := c.udpPorts(ctx.Request.Header)
	h.s.viewers.replace(h.ctx, ctx.Session, ports)
	seated := func() bool { return h.s.viewers.seat(ctx.Session, st, c.remote, ports) }
	if !seated() && (!h.s.viewers.makeRoom(h.ctx) || !seated()) {
		return h.full(st, c.remote), nil, nil
	}
	return ok(), out, nil
}

// udpPorts is where a SETUP wants RTP to be sent by unicast; invalid if it does not.
func (c *caller) udpPorts(h base.Header) netip.AddrPort {
	var offered headers.Transports
	from, err := netip.ParseAddrPort(c.remote)
	if err != nil || offered.Unmarshal(h["Transport"]) != nil {
		return netip.AddrPort{}
	}
	for _, t := range offered {
		if t.ClientPorts != nil && t.Protocol == headers.TransportProtocolUDP {
			return netip.AddrPortFrom(from.Addr(), uint16(t.ClientPorts[0]))
		}
	}
	return netip.AddrPort{}
}

// full refuses a viewer for whom there is no place.
func (h *handler) full(st *stream, remote string) *base.Response {
	st.refused.Add(1)
	h.s.crowded.Warn(st.log, "viewer refused, all places are taken", "remote", remote, "max_readers", h.s.viewers.limit)
	return &base.Response{
		StatusCode:    base.StatusNotEnoughBandwidth,
		StatusMessage: fmt.Sprintf("Not Enough Bandwidth (all %d places for viewers are taken)", h.s.viewers.limit),
	}
}

// OnPlay implements gortsplib.ServerHandlerOnPlay. The library has made the session's queue, but sends to it only
// after we return, so that what greet sends goes ahead of all else.
func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	st := h.find(ctx.Session.Path())
	if st == nil {
		return h.notFound(), nil
	}
	st.waitForTwo(h.ctx, h.s.two)
	c := current(ctx.Conn)
	l := c.lane
	if ctx.Session.Transport().Protocol != gortsplib.ProtocolTCP {
		l = nil
	}
	began, stays := h.s.viewers.play(ctx.Session, l)
	switch {
	case !stays:
		return &base.Response{
			StatusCode:    base.StatusSessionNotFound,
			StatusMessage: "Session Not Found (its place was given to another viewer; begin anew)",
		}, nil
	case !began:
		return ok(), nil
	}
	if l != nil {
		l.begin(st)
	}
	var err error
	if c.owed, err = st.greet(ctx.Session, h.s.fresh); err != nil {
		st.log.Warn("greet viewer", "remote", c.remote, "err", err)
	}
	c.stream, c.began = st, true
	st.log.Info("viewer joined", "remote", c.remote, "transport", transportName(ctx.Conn, ctx.Session))
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
	case res.StatusCode == base.StatusUnauthorized:
		delete(res.Header, "Session") // of a SETUP
	case res.StatusCode != base.StatusOK:
	case r.method == base.Describe && r.stream != nil:
		res.Body = appendFrameRate(res.Body, r.stream.rate)
	case r.began:
		dropTimestamp(res.Header)
		// Only here does the library send to the session, so that the picture we ask for cannot come too early.
		r.stream.keys.want(time.Now())
	}
	if r.owed {
		r.stream.joined()
	}
	// Some players keep the connection while they ask a person for the password: the library's idle timeout, 60 s, is
	// enough then.
	if res.StatusCode != base.StatusUnauthorized {
		h.s.guests.answer(r.guest, h.s.viewers.joined(conn.Session()))
	}
}

// OnStreamWriteError implements gortsplib.ServerHandlerOnStreamWriteError. It is called from within the stream's
// write, for every packet that found a viewer's queue full. A viewer whose lane cannot leave out pictures is sent away
// at the first: what followed would be a broken group of pictures. Close does not wait.
func (h *handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	if h.s.viewers.leavesOut(ctx.Session) {
		return
	}
	ctx.Session.Close()
	h.dropped(ctx.Session, ctx.Error)
}

// OnSessionClose implements gortsplib.ServerHandlerOnSessionClose.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	timeout, is := errors.AsType[net.Error](ctx.Error)
	if is && timeout.Timeout() || errors.Is(ctx.Error, errHalfPicture) {
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

// transportName is what the log calls the way to a viewer.
func transportName(conn *gortsplib.ServerConn, s *gortsplib.ServerSession) string {
	switch t := s.Transport().Protocol; {
	case t == gortsplib.ProtocolUDP:
		return "udp"
	case t == gortsplib.ProtocolUDPMulticast:
		return "multicast"
	case conn.Transport().Tunnel != gortsplib.TunnelNone:
		return "tunnel"
	case current(conn).secure:
		return "tls"
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
