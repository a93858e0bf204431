//go:build !linux || !(arm64 || amd64)

package vchiq

import "errors"

// openKernel fails: only Linux has the driver. The package builds elsewhere for those who use the emulated VideoCore.
func openKernel(string) (kernel, error) { return nil, errors.ErrUnsupported }

func mapMemory(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory([]byte) error { return errors.ErrUnsupported }
