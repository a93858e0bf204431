package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/recovery"
	"github.com/camkrazy/camkrazy/internal/webd"
)

// status gathers what all parts know about themselves.
func (a *appliance) status() webd.Status {
	cam := a.camera.Status()
	now := time.Now()
	st := webd.Status{
		Version:  version(),
		UptimeS:  int64(now.Sub(a.started).Seconds()),
		Problems: problems(a.cfg, cam, now),
		Board:    a.board.machine.Model,
		Camera:   webd.CameraStatus{Sensor: cam.Sensor, State: string(cam.State)},
		Streams:  make(map[string]webd.Stream),
		Snapshot: webd.Snapshot{Frames: cam.Snapshot.Frames, AgeMS: age(cam.Snapshot.Last.Taken, now)},
		Ports:    a.ports(),
		Recovery: a.recoveryStatus(cam.Recovery),
		Notices:  notices(a.cfg, cam),
	}
	var strained []string
	st.Host, strained = a.hostStatus()
	st.Notices = append(st.Notices, strained...)
	st.Camera.Restarts = cam.Restarts
	if cam.LastError != nil {
		st.Camera.LastError = cam.LastError.Error()
	}
	view := cameraConfig(a.cfg)
	view.Controls = cameraControls(a.settings.now())
	if plan, known := camera.PlanSensor(cam.Sensor, view); known {
		st.Camera.Mode = plan.Text
	}
	st.Healthy = len(st.Problems) == 0
	if a.videocore != nil {
		st.Board = "emulated VideoCore"
		st.Camera.EmulatedDrops = new(a.videocore.Stats().SensorDropped)
	}
	for _, s := range a.cfg.Streams {
		st.Streams[s.Name] = a.streamStatus(s, cam.Streams[s.Name], cam.Recovery.Streams[s.Name], now)
	}
	return st
}

func (a *appliance) streamStatus(cfg config.Stream, cam camera.StreamStatus, recoveries int, now time.Time) webd.Stream {
	rtsp, live := a.rtsp.Stats(cfg.Name), a.live[cfg.Name].Stats()
	return webd.Stream{
		Width: cfg.Width, Height: cfg.Height, Framerate: cam.FrameRate,
		BitrateBPS: cam.Bitrate, Frames: cam.Frames, Keyframes: cam.KeyFrames, Bytes: cam.Bytes,
		Dropped: cam.Dropped, EncoderSkips: cam.Empty, FrameAgeMS: age(cam.LastFrame, now), Link: cam.Link,
		TakenAgeMS: age(cam.Taken, now), Content: string(cam.Content), Recoveries: recoveries,
		Readers: rtsp.Readers, ReaderDrops: rtsp.ReaderDrops,
		ReaderSkips: rtsp.ReaderSkips, ReadersRefused: rtsp.Refused,
		Watchers: live.Watchers, WatcherDrops: live.Drops,
	}
}

// byItself is what a person has to do about a fault that the program deals with.
const byItself = "it is brought back without your help, so look at the log and at the camera's cable only if that lasts"

// problems lists in plain words what keeps the appliance from doing its work, each with what to do after a semicolon. What
// follows from another is left out.
func problems(cfg config.Config, cam camera.Status, now time.Time) []string {
	list := []string{}
	switch {
	case cam.State == camera.Streaming:
		stalled := stalledStreams(cfg, cam, now)
		list = append(list, stalled...)
		if late := lateSnapshot(cfg, cam, now); late != "" && len(stalled) == 0 {
			list = append(list, late)
		}
	case cam.LastError != nil:
		why := cam.LastError.Error()
		if !strings.Contains(why, "; ") {
			why += "; " + byItself
		}
		list = append(list, fmt.Sprintf("the camera is not streaming (%s): %s", cam.State, why))
	default:
		list = append(list, fmt.Sprintf("the camera is not streaming (%s); that takes some seconds after a start", cam.State))
	}
	return list
}

// stalledStreams says which streams have no pictures.
func stalledStreams(cfg config.Config, cam camera.Status, now time.Time) []string {
	var list, never, stopped []string
	var longest time.Duration
	for _, s := range cfg.Streams {
		// Four frame times, as one picture may be late; on fast streams that is less than a hiccup of the network.
		limit := max(2*time.Second, time.Duration(4/s.FrameRate*float64(time.Second)))
		last := cam.Streams[s.Name].LastFrame
		switch old := now.Sub(last); {
		case last.IsZero():
			never = append(never, s.Name)
		case old > limit:
			stopped = append(stopped, s.Name)
			longest = max(longest, old)
		}
	}
	if len(never) > 0 {
		list = append(list, havingHad(never)+" no picture yet; the first one takes some seconds after a start")
	}
	if len(stopped) > 0 {
		list = append(list, fmt.Sprintf("%s no picture for %v; %s", havingHad(stopped), longest.Round(time.Second), byItself))
	}
	return list
}

// havingHad begins a sentence about some streams.
func havingHad(names []string) string {
	if len(names) == 1 {
		return names[0] + " has had"
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last] + " have had"
}

// lateSnapshot says that the last snapshot is old; "" if it is not.
func lateSnapshot(cfg config.Config, cam camera.Status, now time.Time) string {
	limit := 3*cfg.Snapshot.Interval + 2*time.Second
	last := cam.Snapshot.Last.Taken
	if cfg.Snapshot.Interval == 0 || last.IsZero() || now.Sub(last) <= limit {
		return ""
	}
	return fmt.Sprintf("there has been no snapshot for %v; %s", now.Sub(last).Round(time.Second), byItself)
}

// notices lists what a person may want to know, and what is no trouble.
func notices(cfg config.Config, cam camera.Status) []string {
	list := []string{}
	for _, s := range cfg.Streams {
		switch cam.Streams[s.Name].Content {
		case camera.Uniform:
			list = append(list, s.Name+" shows one colour only: it is dark, or the lens is covered")
		case camera.Unchanging:
			list = append(list, s.Name+" has shown the same picture for a while")
		}
	}
	return list
}

func (a *appliance) recoveryStatus(r recovery.Record) webd.Recovery {
	return webd.Recovery{
		Pipelines: r.Pipelines, Reconnects: r.Reconnects, Restarts: r.Restarts, Reboots: r.Reboots,
		Snapshots: r.Streams[camera.SnapshotName], RebootWanted: a.ladder.Wanted(),
	}
}

// gokrazyInit is on every gokrazy system, whose page is at gokrazyPort (instance/camkrazy/config.json).
const (
	gokrazyInit = "/gokrazy/init"
	gokrazyPort = 8080
)

func (a *appliance) ports() webd.Ports {
	p := webd.Ports{RTSP: port(a.rtsp.Addr()), RTSPS: port(a.rtsp.TLSAddr())}
	if a.web != nil {
		p.HTTP, p.HTTPS = port(a.web.Addr()), port(a.web.TLSAddr())
	}
	if _, err := os.Stat(gokrazyInit); err == nil {
		p.Gokrazy = gokrazyPort
	}
	return p
}

// port is that of a TCP address; 0 for none.
func port(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// age is the time since then in milliseconds; nil for what has never been.
func age(then, now time.Time) *int64 {
	if then.IsZero() {
		return nil
	}
	return new(now.Sub(then).Milliseconds())
}
