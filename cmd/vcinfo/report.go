package main

import (
	"fmt"
	"strings"
)

// report is all that was found out; its JSON is what --json prints.
type report struct {
	Program     string      `json:"vcinfo"` // version
	Board       string      `json:"board"`
	Kernel      string      `json:"kernel"`
	Firmware    firmware    `json:"firmware"`
	Driver      string      `json:"driver"`
	DriverState []string    `json:"driver_state,omitempty"`
	MMAL        string      `json:"mmal"`
	Cameras     []camera    `json:"cameras"`
	Components  []component `json:"components"`
	Facts       []fact      `json:"facts"`
	Findings    []finding   `json:"findings"`
}

// camera is one entry of CAMERA_INFO.
type camera struct {
	Number  int    `json:"number"`
	Sensor  string `json:"sensor"`
	Width   uint32 `json:"width"`
	Height  uint32 `json:"height"`
	Port    uint32 `json:"port"`
	Lens    bool   `json:"lens_present"`
	Answers bool   `json:"answers"` // it could be opened and started
}

// component is one that was asked for.
type component struct {
	Name    string `json:"name"`
	Inputs  int    `json:"inputs"`
	Outputs int    `json:"outputs"`
	Error   string `json:"error,omitempty"` // why it did not come to be
}

// fact is something that the firmware's documentation leaves open.
type fact struct {
	Fact   string `json:"fact"`
	Answer string `json:"answer"`
}

// finding is something that is wrong.
type finding struct {
	What  string `json:"what"`
	Means string `json:"means"`
	Do    string `json:"do"`
}

// newReport begins a report with what the kernel tells.
func newReport(m machine, emulate bool) *report {
	r := &report{
		Program: version(), Board: m.board, Kernel: m.kernel(), Firmware: m.firmware(), DriverState: m.driverState(),
		Driver: unknown, MMAL: unknown,
		Cameras: []camera{}, Components: []component{}, Facts: []fact{}, Findings: []finding{},
	}
	if r.Board == "" {
		r.Board = "no device tree: not a Raspberry Pi"
	}
	if emulate {
		r.Firmware = firmware{Build: "emulated", Variant: "emulated"}
	} else if v := r.Firmware.Variant; v == "start" || v == "start_cd" {
		r.find("firmware "+v+" booted", "it has no camera support",
			"set start_x=1 and gpu_mem=256 in config.txt of the boot partition, which an image of `make image` has")
	}
	return r
}

func (r *report) find(what, means, do string) {
	r.Findings = append(r.Findings, finding{What: what, Means: means, Do: do})
}

func (r *report) fact(what, answer string) {
	r.Facts = append(r.Facts, fact{Fact: what, Answer: answer})
}

// text is the report for people.
func (r *report) text() string {
	var b strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", key, fmt.Sprintf(format, args...))
	}
	line("vcinfo", "%s", r.Program)
	line("board", "%s", r.Board)
	line("kernel", "%s", r.Kernel)
	line("firmware", "build %s, variant %s", r.Firmware.Build, r.Firmware.Variant)
	if r.Firmware.Hash != "" {
		line("", "hash %s", r.Firmware.Hash)
	}
	line("driver", "%s", r.Driver)
	for _, l := range r.DriverState {
		line("", "%s", l)
	}
	line("MMAL", "%s", r.MMAL)
	for _, c := range r.Cameras {
		lens, answers := "no lens driver", "does not answer"
		if c.Lens {
			lens = "lens driver"
		}
		if c.Answers {
			answers = "answers"
		}
		key := fmt.Sprintf("camera %d", c.Number)
		line(key, "%s %dx%d, port %d, %s: %s", c.Sensor, c.Width, c.Height, c.Port, lens, answers)
	}
	for _, c := range r.Components {
		if c.Error != "" {
			line("component", "%-18s %s", c.Name, c.Error)
		} else {
			line("component", "%-18s %d in, %d out", c.Name, c.Inputs, c.Outputs)
		}
	}
	for _, f := range r.Facts {
		line("fact", "%s: %s", f.Fact, f.Answer)
	}
	for _, f := range r.Findings {
		line("WRONG", "%s. It means: %s. Do: %s.", f.What, f.Means, f.Do)
	}
	if len(r.Findings) == 0 {
		line("GOOD", "a camera answers")
	}
	return b.String()
}
