package qemu

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// console keeps what the machine says on its serial port, over all boots. It is safe for concurrent use.
type console struct {
	log io.Writer // gets every line

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed at the next line
	zero    time.Time     // this machine's time when the guest's kernel clock was 0; zero before the first such line
}

func newConsole(log io.Writer) *console {
	return &console{log: log, changed: make(chan struct{})}
}

// kernelTime is how the kernel begins a line: with its clock, in seconds.
var kernelTime = regexp.MustCompile(`^\[ *([0-9]+\.[0-9]+)\]`)

// read takes lines until the machine is off.
func (c *console) read(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			c.add(strings.TrimRight(line, "\r\n"))
		}
		if err != nil {
			return
		}
	}
}

func (c *console) add(line string) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	fmt.Fprintln(c.log, line) // a full disk shows in what the test does next
	if m := kernelTime.FindStringSubmatch(line); m != nil {
		c.noteClock(now, m[1])
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// noteClock learns when the kernel's clock was 0: no line can come before its time, and the fastest one came at once.
func (c *console) noteClock(now time.Time, seconds string) {
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return
	}
	zero := now.Add(-time.Duration(s * float64(time.Second)))
	if c.zero.IsZero() || zero.Before(c.zero) {
		c.zero = zero
	}
}

// began marks a boot.
func (c *console) began(n int) {
	c.add(fmt.Sprintf("--- boot %d ---", n))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zero = time.Time{}
}

// next returns the lines from the i-th on, and a channel that is closed when there are more.
func (c *console) next(i int) ([]string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[min(i, len(c.lines)):], c.changed
}
