package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc (proc(5), USER_HZ), the same on all Linux machines.
const ticksPerSecond = 100

// measure prints the table.
func measure(ctx context.Context, counts []int, window time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startSubject(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	idle, err := memory(s.pid)
	if err != nil {
		return err
	}
	fmt.Printf("%s, 8 Mbit/s a reader; %.1f MB without readers\n", s.name, idle)
	fmt.Printf("%-5s %8s %8s %7s %14s %7s %9s %11s %9s %11s %9s\n", "", "readers", "Mbit/s", "lost",
		"CPU ms/Mbit", "CPU %", "RSS MB", "KB/reader", "delay ms", "p99", "IDR ms")
	for _, udp := range []bool{false, true} {
		for _, n := range counts {
			if err := s.row(ctx, load{URL: s.url, UDP: udp, Readers: n, Window: window}, idle); err != nil {
				return err
			}
		}
	}
	return nil
}

// row measures and prints one line.
func (s *subject) row(ctx context.Context, l load, idle float64) error {
	config, err := json.Marshal(l)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "read", string(config))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var res result
	var before, after time.Duration
	var resident float64
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		switch text := lines.Text(); text {
		case "window":
			before, err = cpuTime(s.pid)
		case "end":
			if after, err = cpuTime(s.pid); err == nil {
				resident, err = memory(s.pid)
			}
		default:
			err = json.Unmarshal([]byte(text), &res)
		}
		if err != nil {
			break
		}
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return fmt.Errorf("measure %d readers: %w", l.Readers, err)
	}
	name := map[bool]string{false: "TCP", true: "UDP"}[l.UDP]
	seconds := l.Window.Seconds()
	megabits := float64(res.Bytes) * 8 / 1e6
	cpu := after - before
	fmt.Printf("%-5s %8d %8.0f %7d %14.3f %7.1f %9.1f %11.0f %9.2f %11.2f %9.0f\n", name, l.Readers, megabits/seconds, res.Lost,
		cpu.Seconds()*1000/megabits, 100*cpu.Seconds()/seconds, resident, (resident-idle)*1000/float64(l.Readers),
		ms(res.DelayMedian), ms(res.DelayP99), ms(res.FirstMedian))
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpuTime is what a process has used.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name
	fields := strings.Fields(rest)
	const user, system = 11, 12 // proc(5): fields 14 and 15
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	u, err1 := strconv.Atoi(fields[user])
	s, err2 := strconv.Atoi(fields[system])
	return time.Duration(u+s) * time.Second / ticksPerSecond, errors.Join(err1, err2)
}

// memory is what a process has resident, in MB.
func memory(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			return float64(kb) * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

// subject is the process that is measured.
type subject struct {
	name string
	pid  int
	url  string // of the stream
	stop func()
}

// startSubject starts the server with its VideoCore, or the one that PEER names with a publisher.
func startSubject(ctx context.Context) (*subject, error) {
	if peer := os.Getenv("PEER"); peer != "" {
		return startPeer(ctx, peer)
	}
	dir, err := os.MkdirTemp("", "rtspbench")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "videocore")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	clients := make(chan *wire)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			clients <- newWire(conn)
		}
	}()
	go emulate(ctx, clients)
	cmd := exec.CommandContext(ctx, os.Args[0], "serve")
	cmd.Env = append(os.Environ(), videocoreVar+"="+socket)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start server: %w", errors.Join(err, cmd.Wait()))
	}
	s := &subject{name: "camkrazy", pid: cmd.Process.Pid, url: "rtsp://" + strings.TrimSpace(address) + "/hqstream"}
	s.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
		l.Close()
		os.RemoveAll(dir)
	}
	return s, s.wait(ctx)
}

// patience bounds how long a server may take until it has a picture.
const patience = 10 * time.Second

// wait waits until somebody can watch, and for the memory that starting takes to be given back.
func (s *subject) wait(ctx context.Context) error {
	until := time.Now().Add(patience)
	for {
		one, cancel := context.WithTimeout(ctx, time.Second)
		r := &reader{window: func(int64) bool { return false }}
		err := r.run(one, load{URL: s.url})
		cancel()
		if r.first > 0 {
			return sleep(ctx, 2*time.Second)
		}
		if time.Now().After(until) {
			return fmt.Errorf("no picture at %s: %w", s.url, err)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
