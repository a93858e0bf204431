package main

import (
	"context"
	"os"
	"sync"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
)

// relay is a peer for comparison: gortsplib with its defaults, which passes on what one client publishes to all that
// read, whatever the path. It listens at the address of PEER_URL.
func relay(ctx context.Context) error {
	u, err := base.ParseURL(orDefault(os.Getenv("PEER_URL")))
	if err != nil {
		return err
	}
	h := &relayHandler{}
	h.server = &gortsplib.Server{Handler: h, RTSPAddress: u.Host, UDPRTPAddress: ":18000", UDPRTCPAddress: ":18001"}
	if err := h.server.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	h.server.Close()
	return nil
}

type relayHandler struct {
	server *gortsplib.Server
	mu     sync.Mutex
	stream *gortsplib.ServerStream
}

func (h *relayHandler) current() *gortsplib.ServerStream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stream
}

// OnAnnounce implements gortsplib.ServerHandlerOnAnnounce.
func (h *relayHandler) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stream = &gortsplib.ServerStream{Server: h.server, Desc: ctx.Description}
	return &base.Response{StatusCode: base.StatusOK}, h.stream.Initialize()
}

// OnDescribe implements gortsplib.ServerHandlerOnDescribe.
func (h *relayHandler) OnDescribe(*gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	st := h.current()
	if st == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, st, nil
}

// OnSetup implements gortsplib.ServerHandlerOnSetup.
func (h *relayHandler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return &base.Response{StatusCode: base.StatusOK}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, h.current(), nil
}

// OnPlay implements gortsplib.ServerHandlerOnPlay.
func (h *relayHandler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnRecord implements gortsplib.ServerHandlerOnRecord.
func (h *relayHandler) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	st := h.current()
	ctx.Session.OnPacketRTPAny(func(medi *description.Media, _ format.Format, pkt *rtp.Packet) {
		_ = st.WritePacketRTP(medi, pkt) // fails when nobody serves any more
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}
