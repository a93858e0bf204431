package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"

	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/h264"
)

// peerURL is where a peer takes and serves the stream, unless PEER_URL says otherwise.
const peerURL = "rtsp://127.0.0.1:8554/hqstream"

func orDefault(url string) string {
	if url == "" {
		return peerURL
	}
	return url
}

// startPeer starts another server, in an empty folder and with the words of PEER_ARGS, and publishes the pictures to it.
func startPeer(ctx context.Context, peer string) (*subject, error) {
	dir, err := os.MkdirTemp("", "rtspbench")
	if err != nil {
		return nil, err
	}
	s := &subject{name: peer, url: orDefault(os.Getenv("PEER_URL"))}
	var args []string
	for word := range bytes.FieldsSeq([]byte(os.Getenv("PEER_ARGS"))) {
		args = append(args, string(word))
	}
	cmd := exec.CommandContext(ctx, peer, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.pid = cmd.Process.Pid
	s.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
		os.RemoveAll(dir)
	}
	until := time.Now().Add(patience)
	for {
		p, err := newPublisher(s.url)
		if err == nil {
			go p.run(ctx)
			return s, s.wait(ctx)
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("publish to %s: %w", peer, err)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// publisher sends to a peer what VideoCore replays to the camera.
type publisher struct {
	client  *gortsplib.Client
	media   *description.Media
	encoder *rtph264.Encoder
	coder   vcemu.Coder
}

// publishedRate is the rate of hqstream, in pictures per second.
const publishedRate = 30

func newPublisher(url string) (*publisher, error) {
	coder, err := newReplayer(h264.Config{
		Width: feeds[0].Width, Height: feeds[0].Height, FrameRateNum: publishedRate, FrameRateDen: 1,
		Bitrate: feeds[0].Bitrate, IntraPeriod: publishedRate, Profile: h264.High, Level: 40,
	})
	if err != nil {
		return nil, err
	}
	const startCode = 4
	f := &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: coder.SPS()[startCode:], PPS: coder.PPS()[startCode:]}
	p := &publisher{media: &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{f}}, coder: coder}
	if p.encoder, err = f.CreateEncoder(); err != nil {
		return nil, err
	}
	protocol := gortsplib.ProtocolTCP
	p.client = &gortsplib.Client{Protocol: &protocol}
	if err := p.client.StartRecording(url, &description.Session{Medias: []*description.Media{p.media}}); err != nil {
		return nil, err
	}
	return p, nil
}

// run publishes until ctx is done or the peer ends.
func (p *publisher) run(ctx context.Context) {
	defer p.client.Close()
	tick := time.NewTicker(time.Second / publishedRate)
	defer tick.Stop()
	for n := uint32(0); ; n++ {
		data, picture := p.coder.Encode(nil, nil, 0)
		if picture.IDR {
			data = append(append(append([]byte(nil), p.coder.SPS()...), p.coder.PPS()...), data...)
		}
		nals := bytes.Split(data, []byte{0, 0, 0, 1})[1:]
		packets, err := p.encoder.Encode(nals)
		for _, pkt := range packets {
			pkt.Timestamp += n * (90_000 / publishedRate)
			err = errors.Join(err, p.client.WritePacketRTP(p.media, pkt))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "rtspbench: publish:", err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
