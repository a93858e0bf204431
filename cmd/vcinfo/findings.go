package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/vchiq"
)

const (
	doPower  = "take the power off, wait, and start again; if it comes back, send a recording (--record FILE)"
	doReport = "send a recording (--record FILE)"
	doFlash  = "boot an image of `make image`, whose kernel has it, on a Pi 3, 4 or Zero 2 W; a Pi 5 cannot work"
	doStartX = "set start_x=1 and gpu_mem=256 in config.txt of the boot partition, with the image's own firmware files"
	doCable  = "take the power off, check the ribbon cable at both ends and which way it faces; config.txt needs " +
		"camera_auto_detect=0 and no camera overlay"
	doProgram = "stop camkrazy on gokrazy's page (port 8080), and run vcinfo again; if it stays, check the cable"
)

// explainOpen says why the MMAL service could not be opened.
func explainOpen(err error) finding {
	f := finding{What: err.Error(), Means: "nobody has seen this before", Do: doReport}
	request := ""
	if refusal, ok := errors.AsType[*vchiq.Error](err); ok {
		// Its own hint says in short what is said here.
		f.What = fmt.Sprintf("%s: %s: %v", refusal.Op, refusal.Request, refusal.Errno)
		request = refusal.Request
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV):
		f.Means, f.Do = "there is no /dev/vchiq: wrong kernel, without the VCHIQ driver, or not a Raspberry Pi", doFlash
	case errors.Is(err, fs.ErrPermission):
		f.Means, f.Do = "this user may not use the GPU", "run vcinfo as root"
	case errors.Is(err, vchiq.ErrVersion):
		f.Means, f.Do = "kernel and program speak different versions of VCHIQ", doFlash
	case errors.Is(err, vchiq.ErrStuck), errors.Is(err, mmal.ErrNoReply):
		f.Means, f.Do = "the GPU does not answer the kernel: its firmware has crashed or was never started", doPower
	case errors.Is(err, syscall.ENOTCONN):
		f.Means = "the kernel is not connected to the GPU: firmware without start_x, or files that do not fit together"
		f.Do = doStartX
	case errors.Is(err, syscall.EIO) && request == "CREATE_SERVICE":
		f.Means, f.Do = "the firmware that booted has no MMAL service: firmware without start_x", doStartX
	}
	return f
}

// explainLost says why the exchange ended before its time.
func explainLost(err error) finding {
	f := finding{What: err.Error(), Means: "nobody has seen this before", Do: doReport}
	switch {
	case errors.Is(err, mmal.ErrNoReply):
		f.Means, f.Do = "the firmware has stopped to answer: it is most likely wedged", doPower
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f.Means, f.Do = "vcinfo was stopped, or everything together took too long", "run it again"
	case errors.Is(err, mmal.ErrProtocol):
		f.Means, f.Do = "the firmware answers what this program does not understand", doReport
	case errors.Is(err, mmal.ErrClosed):
		f.Means, f.Do = "the firmware ended the service", doPower
	}
	return f
}

// explainCamera says why a camera that the firmware lists cannot do something.
func explainCamera(number int, what string, err error) finding {
	f := finding{
		What: fmt.Sprintf("camera %d cannot %s: %v", number, what, err), Means: "nobody has seen this before", Do: doReport,
	}
	switch {
	case errors.Is(err, mmal.ENoMem):
		f.Means, f.Do = "the GPU has too little memory for the camera, or firmware without start_x booted", doStartX
	case errors.Is(err, mmal.ENoSpc):
		f.Means, f.Do = "another program uses the camera, or the sensor does not answer", doProgram
	case errors.Is(err, mmal.ENoEnt), errors.Is(err, mmal.ENoSys):
		f.Means, f.Do = "the firmware that booted has no camera in it: firmware without start_x", doStartX
	}
	return f
}

// noCamera is for firmware that lists no camera; refused is what it said to the camera's component, nil if nothing.
func noCamera(refused error) finding {
	f := finding{
		What: "the firmware lists no camera", Do: doCable,
		Means: "no sensor answered when the board booted: the cable, a camera that this firmware has no driver for " +
			"(only OV5647, IMX219 and IMX477), or Linux owns the sensor",
	}
	if refused != nil {
		f.What += ", and ril.camera was refused: " + refused.Error()
	}
	if errors.Is(refused, mmal.ENoMem) {
		f.Means += "; firmware without start_x says the same"
	}
	return f
}
