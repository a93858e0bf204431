package host

import (
	"fmt"
	"syscall"
)

// mclOnFault locks what is used, not what is only reserved (mlockall(2), MCL_ONFAULT, since Linux 4.4).
const mclOnFault = 4

// LockMemory keeps this process's memory from being taken away, its program's code included, which the kernel would read
// from the card again and again when memory is scarce. It takes root.
func LockMemory() error {
	if err := syscall.Mlockall(syscall.MCL_CURRENT | syscall.MCL_FUTURE | mclOnFault); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}
