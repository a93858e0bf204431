// Binary clockstep sets the board's clock one hour on, and when it is run again one hour back: what happens to a board
// without a battery when it hears the time late. The system test runs it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// mark is there while the clock is an hour ahead.
const mark = "/tmp/clockstep"

func main() {
	step, err := run()
	if err != nil {
		fmt.Println("clockstep: FAILED:", err)
		os.Exit(1)
	}
	fmt.Printf("clockstep: the clock went %v, it is %s\n", step, time.Now().UTC().Format(time.DateTime))
}

func run() (step time.Duration, err error) {
	step = time.Hour
	switch err := os.Remove(mark); {
	case err == nil:
		step = -time.Hour
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	default:
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return 0, err
		}
	}
	to := syscall.NsecToTimeval(time.Now().Add(step).UnixNano())
	if err := syscall.Settimeofday(&to); err != nil {
		return 0, fmt.Errorf("set clock: %w", err)
	}
	return step, nil
}
