package qemu

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"
)

// prompt is what QEMU's human monitor says when it waits for a command.
var prompt = []byte("(qemu) ")

// monitor gives one command to QEMU's human monitor and returns what it says.
func (m *Machine) monitor(ctx context.Context, command string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", m.monitorSocket())
	if err != nil {
		return "", fmt.Errorf("open the monitor: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := readPrompt(conn); err != nil {
		return "", fmt.Errorf("wait for the monitor: %w", err)
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", fmt.Errorf("tell the monitor %q: %w", command, err)
	}
	answer, err := readPrompt(conn)
	if err != nil {
		return "", fmt.Errorf("wait for the monitor's answer to %q: %w", command, err)
	}
	return string(answer), nil
}

func readPrompt(conn net.Conn) ([]byte, error) {
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(all, prompt) {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return nil, err
		}
	}
	return bytes.TrimSuffix(all, prompt), nil
}

// PlugNetwork connects the network cable, or pulls it.
func (m *Machine) PlugNetwork(ctx context.Context, in bool) error {
	state := "off"
	if in {
		state = "on"
	}
	_, err := m.monitor(ctx, "set_link net0 "+state)
	return err
}

var written = regexp.MustCompile(`card:.* wr_bytes=([0-9]+)`)

// BytesWritten counts the bytes that the guest has written to its card since it was started, as QEMU saw them.
func (m *Machine) BytesWritten(ctx context.Context) (int64, error) {
	answer, err := m.monitor(ctx, "info blockstats")
	if err != nil {
		return 0, err
	}
	found := written.FindStringSubmatch(answer)
	if found == nil {
		return 0, fmt.Errorf("read block statistics: QEMU says %q", answer)
	}
	return strconv.ParseInt(found[1], 10, 64)
}
