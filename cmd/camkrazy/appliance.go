package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/live"
	"github.com/camkrazy/camkrazy/internal/mdns"
	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/pressure"
	"github.com/camkrazy/camkrazy/internal/recovery"
	"github.com/camkrazy/camkrazy/internal/rtspd"
	"github.com/camkrazy/camkrazy/internal/throttle"
	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/faults"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// appliance is all parts of the running program.
type appliance struct {
	cfg       config.Config
	log       *slog.Logger
	started   time.Time
	board     boardFacts
	videocore *vcemu.VideoCore // nil on a board
	faults    []faults.Fault   // of videocore
	pressure  *pressure.Monitor
	ladder    *recovery.Ladder
	signs     string // folder for signs of life; "" if there is none
	camera    *camera.Camera
	tls       *tls.Config // nil if nobody listens with TLS
	guesses   throttle.Throttle
	rtsp      *rtspd.Server
	live      map[string]*live.Stream
	settings  *settings
	web       *webd.Server    // nil if neither http.listen nor http.tls_listen is set
	announcer *mdns.Announcer // nil if nothing can be reached from outside
}

// newAppliance makes the parts and connects them; nothing runs and nothing listens yet.
func newAppliance(cfg config.Config, o options, ram *ram, ladder *recovery.Ladder) (*appliance, error) {
	log := ram.log
	a := &appliance{cfg: cfg, started: time.Now(), log: log, pressure: pressure.New(readPressure, log), ladder: ladder, signs: o.ram}
	open, err := a.transport(o, log)
	if err != nil {
		return nil, err
	}
	if a.tls, err = serverTLS(cfg, log); err != nil {
		return nil, giveUp{err}
	}
	multicast, _ := netip.ParseAddrPort(cfg.RTSP.Multicast) // zero if empty
	a.rtsp, err = rtspd.New(rtspd.Config{
		Listen:     cfg.RTSP.Addr,
		TLSListen:  cfg.RTSP.TLSAddr,
		TLS:        a.tls,
		Multicast:  multicast,
		Streams:    rtspStreams(cfg),
		Users:      rtspUsers(cfg),
		BasicAuth:  cfg.RTSP.BasicAuth,
		Throttle:   &a.guesses,
		MaxReaders: cfg.RTSP.MaxReaders,
		Logger:     log,
		KeyFrame:   func(stream string) { a.camera.RequestKeyFrame(stream) },
	})
	if err != nil {
		return nil, err
	}
	cc := cameraConfig(cfg)
	a.live = a.liveViews()
	for i, s := range cc.Streams {
		cc.Streams[i].Sink = both(a.rtsp.Sink(s.Name), a.live[s.Name].Write)
	}
	cc.Snapshot.Sink = ram.keepStill
	cc.Recovery = ladder
	logPlan(a.board.plan(cc), log)
	if a.camera, err = camera.New(cc, open, log); err != nil {
		return nil, err
	}
	a.settings = newSettings(cfg.Camera, o.config, a.camera.SetControls)
	a.web = a.newWeb()
	return a, nil
}

// transport chooses between the board and its emulation: the one place where the two differ.
func (a *appliance) transport(o options, log *slog.Logger) (func(context.Context) (mmal.Transport, error), error) {
	if !o.emulate {
		a.board = readBoard()
		if err := a.board.unfit(cameraConfig(a.cfg)); err != nil {
			return nil, err
		}
		return boardOpener(a.ladder.Worked), findBoard()
	}
	var err error
	if o.faults != "" {
		if a.faults, err = faults.Parse(o.faults, faultStreams(a.cfg)); err != nil {
			return nil, giveUp{fmt.Errorf("--faults: %w", err)}
		}
	}
	vc := vcemu.Config{Logger: log}
	if o.scene != "" {
		open := func(width, height int) (scene.Source, error) { return scene.OpenY4M(o.scene, width, height) }
		if err := try(open, a.cfg.Camera); err != nil {
			return nil, giveUp{err}
		}
		vc.Scene = open
	}
	if a.videocore, err = vcemu.New(vc); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (mmal.Transport, error) {
		t, err := a.videocore.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return traced(t), nil
	}, nil
}

// try opens a scene to see that it can be opened.
func try(open func(width, height int) (scene.Source, error), c config.Camera) error {
	s, err := open(c.Width, c.Height)
	if err != nil {
		return err
	}
	return s.(io.Closer).Close()
}

// listen opens all sockets, so that what is in use already is said before anything starts.
func (a *appliance) listen() error {
	if err := a.rtsp.Listen(); err != nil {
		return err
	}
	var web net.Addr
	if a.web != nil {
		if err := a.web.Listen(); err != nil {
			return err
		}
		web = a.web.Addr()
	}
	var err error
	a.announcer, err = newAnnouncer(a.cfg, a.rtsp.Addr(), web, a.log)
	return err
}

// parts are what runs as long as the program does.
func (a *appliance) parts() []func(context.Context) error {
	parts := []func(context.Context) error{a.runCamera, a.rtsp.Run, a.pressure.Run}
	if a.web != nil {
		parts = append(parts, a.web.Run)
	}
	if a.announcer != nil {
		parts = append(parts, a.runAnnouncer)
	}
	if a.signs != "" {
		parts = append(parts, a.beat)
	}
	return parts
}

// goodbye is how long the network may take to hear that the camera goes.
const goodbye = time.Second

// runAnnouncer announces the camera. In the middle of claiming a name the library takes seconds to stop, which nobody
// is to wait for: it ends with the process.
func (a *appliance) runAnnouncer(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- a.announcer.Run(ctx) }()
	<-ctx.Done()
	select {
	case err := <-ended:
		return err
	case <-time.After(goodbye):
		return nil
	}
}

// runCamera runs the camera, and around it the emulated VideoCore, which the camera needs up to its orderly end.
func (a *appliance) runCamera(ctx context.Context) error {
	if a.videocore == nil {
		return a.camera.Run(ctx)
	}
	emulated, stop := context.WithCancel(context.WithoutCancel(ctx))
	g, emulated := errgroup.WithContext(emulated)
	g.Go(func() error { return a.videocore.Run(emulated) })
	g.Go(func() error {
		faults.Run(emulated, a.faults, a.videocore, a.log)
		return nil
	})
	err := a.camera.Run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func faultStreams(cfg config.Config) []faults.Stream {
	var out []faults.Stream
	for _, s := range cfg.Streams {
		out = append(out, faults.Stream{Name: s.Name, Width: s.Width, Height: s.Height, BitRate: s.Bitrate})
	}
	return out
}

func rtspStreams(cfg config.Config) []rtspd.StreamConfig {
	var out []rtspd.StreamConfig
	for _, s := range cfg.Streams {
		out = append(out, rtspd.StreamConfig{Name: s.Name, FrameRate: s.FrameRate})
	}
	return out
}

func rtspUsers(cfg config.Config) []rtspd.User {
	var out []rtspd.User
	for _, u := range cfg.Users {
		out = append(out, rtspd.User(u))
	}
	return out
}
