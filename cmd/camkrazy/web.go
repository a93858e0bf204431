package main

import (
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/live"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// newWeb makes the web server; nil if the configuration has none.
func (a *appliance) newWeb() *webd.Server {
	if a.cfg.HTTP.Addr == "" && a.cfg.HTTP.TLSAddr == "" {
		return nil
	}
	return webd.New(webd.Config{
		Listen:    a.cfg.HTTP.Addr,
		TLSListen: a.cfg.HTTP.TLSAddr,
		TLS:       a.tls,
		Users:     webUsers(a.cfg),
		Status:    a.status,
		Still:     func() camera.Still { return a.camera.Status().Snapshot.Last },
		TakeStill: a.camera.TakeStill,
		MaxAge:    stillAge(a.cfg),
		Settings:  a.settings.web(),
		Feeds:     webFeeds(a.cfg),
		Live:      a.live,
		Logger:    a.log,
	})
}

// liveViews are the streams for the page.
func (a *appliance) liveViews() map[string]*live.Stream {
	views := make(map[string]*live.Stream)
	for _, s := range a.cfg.Streams {
		views[s.Name] = live.New(live.Config{
			Name: s.Name, FrameRate: s.FrameRate, Logger: a.log, KeyFrame: func() { a.camera.RequestKeyFrame(s.Name) },
		})
	}
	return views
}

// both gives each access unit to two sinks.
func both(a, b camera.Sink) camera.Sink {
	return func(au camera.AccessUnit) {
		a(au)
		b(au)
	}
}

func webUsers(cfg config.Config) []webd.User {
	var out []webd.User
	for _, u := range cfg.Users {
		out = append(out, webd.User(u))
	}
	return out
}

// stillAge is how old a snapshot may get before one is taken on demand: the periodic one has failed then, or there is
// none.
func stillAge(cfg config.Config) time.Duration {
	if cfg.Snapshot.Interval == 0 {
		return time.Second
	}
	return cfg.Snapshot.Interval + time.Second
}

func webFeeds(cfg config.Config) []webd.Feed {
	var out []webd.Feed
	for _, s := range cfg.Streams {
		out = append(out, webd.Feed{
			Name: s.Name, Width: s.Width, Height: s.Height, FrameRate: s.FrameRate, KeyFrameInterval: s.KeyframeInterval,
		})
	}
	return out
}
