package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/config"
)

const (
	// savedConfig is what a person saved on the appliance.
	savedConfig = "/perm/camkrazy/camera.yaml"
	// shippedConfig is part of the image.
	shippedConfig = "/etc/camkrazy/camera.yaml"
)

// load reads the configuration: the named file, or the first one that exists. An error has a line for each mistake that can
// be found, and comes with what could be read.
func load(path string) (config.Config, error) {
	named := path != ""
	if !named {
		path = shippedConfig
		if _, err := os.Stat(savedConfig); err == nil {
			path = savedConfig
		}
	}
	cfg, err := config.Load(path)
	mistakes, read := errors.AsType[config.Errors](err)
	switch {
	case errors.Is(err, fs.ErrNotExist) && named:
		return cfg, fmt.Errorf("%s: no such file", path)
	case errors.Is(err, fs.ErrNotExist):
		return cfg, fmt.Errorf("%s: no such file: name a configuration with --config FILE", path)
	case err != nil && !read:
		return cfg, err
	}
	impossible := camera.NewPlan(cameraConfig(cfg)).Errors
	misspelt := slices.ContainsFunc(mistakes, func(e *config.Error) bool { return e.Key == "rtsp.tls_listen" })
	if cfg.RTSP.Addr == "" && cfg.RTSP.TLSAddr == "" && !misspelt {
		impossible = append(impossible, "rtsp.listen: is empty, and there is no other way to watch: give it an address, as \":8554\"")
	}
	lines := strings.Join(impossible, "\n")
	switch {
	case len(impossible) == 0:
		return cfg, err
	case err == nil:
		return cfg, fmt.Errorf("configuration %s is not possible:\n%s", path, lines)
	}
	return cfg, fmt.Errorf("%w\n%s", err, lines)
}

// printLines writes each line of an error after the program's name.
func printLines(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "camkrazy: %s\n", strings.TrimRight(line, "\n"))
	}
}

// cameraConfig gives the camera its part of the configuration.
func cameraConfig(cfg config.Config) camera.Config {
	c := cfg.Camera
	out := camera.Config{
		Number: c.Number, Width: c.Width, Height: c.Height, FrameRate: c.FrameRate, SensorMode: c.SensorMode,
		Controls: cameraControls(c),
		Snapshot: camera.SnapshotConfig{
			Width: cfg.Snapshot.Width, Height: cfg.Snapshot.Height,
			Quality: cfg.Snapshot.Quality, Interval: cfg.Snapshot.Interval,
		},
	}
	for _, s := range cfg.Streams {
		out.Streams = append(out.Streams, camera.StreamConfig{
			Name: s.Name, Width: s.Width, Height: s.Height, FrameRate: s.FrameRate, Bitrate: s.Bitrate,
			KeyFrameInterval: s.KeyframeInterval, Profile: s.Profile, Level: s.Level,
			MinQP: s.MinQP, MaxQP: s.MaxQP, QP: s.QP, IntraRefresh: s.IntraRefresh,
		})
	}
	return out
}

func cameraControls(c config.Camera) camera.Controls {
	return camera.Controls{
		Rotation: c.Rotation, HFlip: c.HFlip, VFlip: c.VFlip, Zoom: c.Zoom,
		Brightness: c.Brightness, Contrast: c.Contrast, Saturation: c.Saturation, Sharpness: c.Sharpness,
		ISO: c.ISO, ShutterSpeed: c.ShutterSpeed,
		AnalogGain: c.AnalogGain, DigitalGain: c.DigitalGain,
		ExposureMode: c.ExposureMode, ExposureCompensation: c.ExposureCompensation, MeterMode: c.MeterMode,
		AWBMode: c.AWBMode, AWBGains: c.AWBGains, DRCStrength: c.DRCStrength, FlickerAvoid: c.FlickerAvoid,
		VideoStabilization: c.VideoStabilization, VideoDenoise: c.VideoDenoise, ImageDenoise: c.ImageDenoise,
		ImageEffect: c.ImageEffect, ColorEffects: c.ColorEffects,
		Annotate: camera.Annotate(c.Annotate),
	}
}
