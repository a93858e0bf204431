//go:build !linux

package host

import (
	"errors"
	"fmt"
)

// LockMemory can be done on Linux only.
func LockMemory() error { return fmt.Errorf("lock memory: %w", errors.ErrUnsupported) }
