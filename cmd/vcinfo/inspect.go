package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/camkrazy/camkrazy/internal/mmal"
	"github.com/camkrazy/camkrazy/internal/recording"
)

// inspect fills in the report with what the GPU says, and records the exchange if it is asked to. Its error is that of
// the recording; what is wrong with the GPU is in the report.
func inspect(ctx context.Context, r *report, open opener, o options) error {
	if o.record == "" {
		ask(ctx, r, open, nil)
		return nil
	}
	file, err := createFile(o.record)
	if err != nil {
		ask(ctx, r, open, nil)
		return fmt.Errorf("record: %w", err)
	}
	var rec *recording.Recorder
	opened := ask(ctx, r, open, func(t mmal.Transport) mmal.Transport {
		rec = recording.NewRecorder(t, file, recording.Options{Notes: r.notes(), AllBytes: o.allBytes})
		return rec
	})
	if rec != nil {
		err = rec.Err()
	} else {
		err = recordFailure(file, r.notes(), opened)
	}
	return errors.Join(err, file.Close())
}

// createFile makes a file, and its folder.
func createFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

// notes are what a recording says of the machine.
func (r *report) notes() []string {
	return []string{
		"vcinfo " + r.Program,
		"board: " + r.Board,
		"kernel: " + r.Kernel,
		fmt.Sprintf("firmware: build %s, variant %s, hash %s", r.Firmware.Build, r.Firmware.Variant, r.Firmware.Hash),
		"driver: " + r.Driver,
	}
}

// recordFailure writes a recording of nothing but why there was no exchange.
func recordFailure(file *os.File, notes []string, reason error) error {
	rec := recording.Recording{Notes: notes, Blocks: []recording.Block{{Kind: recording.End, Text: reason.Error()}}}
	text, err := rec.AppendText(nil)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return err
}

// ask opens the service and asks all questions. It returns why the service could not be opened, which is a finding too.
func ask(ctx context.Context, r *report, open opener, wrap func(mmal.Transport) mmal.Transport) error {
	transport, driver, err := open(ctx)
	if driver != "" {
		r.Driver = driver
	}
	if err != nil {
		r.Findings = append(r.Findings, explainOpen(err))
		return err
	}
	if wrap != nil {
		transport = wrap(transport)
	}
	client := mmal.New(transport, nil)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- client.Run(serving) }()
	p := &probe{client: client, report: r}
	if lost := p.run(ctx); lost != nil {
		r.Findings = append(r.Findings, explainLost(lost))
	}
	stop()
	<-served // what ended it before that has been told by lost
	return nil
}
