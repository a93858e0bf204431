package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// load says what the readers do.
type load struct {
	URL     string
	UDP     bool
	Readers int
	Window  time.Duration // that is measured, after all of them have begun
}

// joinSpacing is the time from one reader to the next: no multiple of a picture's, so that they come at any moment of
// one, and longer than what the first picture takes.
const joinSpacing = 87 * time.Millisecond

// settle is how long all readers read before anything is measured.
const settle = time.Second

// result is what the readers saw.
type result struct {
	Bytes, Lost, Packets  uint64
	DelayMedian, DelayP99 time.Duration // from the encoder to the last packet of a picture
	FirstMedian, FirstMax time.Duration // from connecting to the last packet of the first IDR picture
	From, To              int64         // the window, by the clock of the stamps
}

// reader is one of them.
type reader struct {
	first  time.Duration
	delays []time.Duration
	bytes, lost,
	packets uint64

	next   uint16
	known  bool
	stamp  int64
	idr    bool
	window func(int64) bool
	began  time.Time
}

// read runs readers in this process. It prints a line when the window begins, and the result when it is over.
func read(ctx context.Context, l load) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	joined := monotonic() + int64(l.Readers)*int64(joinSpacing)
	from := joined + int64(settle)
	to := from + int64(l.Window)
	readers := make([]*reader, l.Readers)
	errs := make(chan error, l.Readers)
	var all sync.WaitGroup
	for i := range readers {
		r := &reader{window: func(t int64) bool { return t >= from && t < to }}
		readers[i] = r
		all.Go(func() { errs <- r.run(ctx, l) })
		if err := sleep(ctx, joinSpacing); err != nil {
			return err
		}
	}
	if err := sleep(ctx, time.Duration(from-monotonic())); err != nil {
		return err
	}
	fmt.Println("window")
	select {
	case err := <-errs:
		return fmt.Errorf("a reader ended: %w", err)
	case <-time.After(time.Duration(to - monotonic())):
	}
	fmt.Println("end")
	cancel()
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(summary(readers, from, to))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func summary(readers []*reader, from, to int64) result {
	res := result{From: from, To: to}
	var delays, firsts []time.Duration
	for _, r := range readers {
		res.Bytes += r.bytes
		res.Lost += r.lost
		res.Packets += r.packets
		delays = append(delays, r.delays...)
		firsts = append(firsts, r.first)
	}
	res.DelayMedian, res.DelayP99 = quantile(delays, 0.5), quantile(delays, 0.99)
	res.FirstMedian, res.FirstMax = quantile(firsts, 0.5), quantile(firsts, 1)
	return res
}

// quantile is the smallest value that a share of them does not exceed.
func quantile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return -1
	}
	slices.Sort(values)
	return values[min(int(share*float64(len(values))), len(values)-1)]
}

// run plays the stream until ctx is done.
func (r *reader) run(ctx context.Context, l load) error {
	r.began = time.Now()
	u, err := base.ParseURL(l.URL)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if !l.UDP {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), url: u}
	transport := "RTP/AVP/TCP;unicast;interleaved=0-1"
	var rtp, rtcp *net.UDPConn
	if l.UDP {
		if rtp, rtcp, err = udpPair(); err != nil {
			return err
		}
		defer rtp.Close()
		defer rtcp.Close()
		defer context.AfterFunc(ctx, func() { rtp.Close() })()
		port := rtp.LocalAddr().(*net.UDPAddr).Port
		transport = fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d", port, port+1)
	}
	if err := c.play(transport); err != nil {
		return err
	}
	if !l.UDP {
		return r.frames(c.r)
	}
	err = r.datagrams(rtp)
	// Otherwise the server would go on for a minute, and the next one with this port would get in its way.
	conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = c.do(base.Teardown, c.url.String()+"/", "Session", c.session) // the server may have gone
	return err
}

func udpPair() (rtp, rtcp *net.UDPConn, err error) {
	for range 100 {
		if rtp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return nil, nil, err
		}
		port := rtp.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			if rtcp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + 1}); err == nil {
				_ = rtp.SetReadBuffer(1 << 20)
				return rtp, rtcp, nil
			}
		}
		rtp.Close()
	}
	return nil, nil, fmt.Errorf("find two free UDP ports: %w", err)
}

func (r *reader) datagrams(conn *net.UDPConn) error {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		r.packet(buf[:n])
	}
}

func (r *reader) frames(in *bufio.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		header, err := in.Peek(4)
		if err != nil {
			return err
		}
		if header[0] != '$' {
			return fmt.Errorf("not a frame: % x", header)
		}
		channel, n := header[1], int(binary.BigEndian.Uint16(header[2:]))
		if _, err := io.ReadFull(in, buf[:4+n]); err != nil {
			return err
		}
		if channel == 0 {
			r.packet(buf[4 : 4+n])
		}
	}
}

// packet looks at an RTP packet.
func (r *reader) packet(p []byte) {
	const header = 12
	if len(p) <= header {
		return
	}
	now := monotonic()
	if number := binary.BigEndian.Uint16(p[2:]); r.known && number != r.next && r.window(now) {
		r.lost += uint64(number - r.next)
	}
	r.known, r.next = true, binary.BigEndian.Uint16(p[2:])+1
	payload := p[header:]
	if at := bytes.Index(payload[:min(len(payload), 256)], []byte(stampMark)); at >= 0 && at+len(stampMark)+stampDigits <= len(payload) {
		digits := payload[at+len(stampMark):][:stampDigits]
		r.stamp, _ = strconv.ParseInt(string(digits), 10, 64)
	}
	switch t := payload[0] & 0x1f; {
	case t == 5, t == 28 && payload[1]&0x1f == 5:
		r.idr = true
	case t == 1, t == 28 && payload[1]&0x1f == 1:
		r.idr = false
	}
	if r.window(now) {
		r.bytes += uint64(len(p))
		r.packets++
	}
	if p[1]&0x80 == 0 {
		return
	}
	if r.idr && r.first == 0 {
		r.first = time.Since(r.began)
	}
	if r.window(r.stamp) {
		r.delays = append(r.delays, time.Duration(now-r.stamp))
	}
	r.stamp = 0
}

// client asks a server for a stream: no more than that takes.
type client struct {
	conn    net.Conn
	r       *bufio.Reader
	url     *base.URL
	seq     int
	session string
}

func (c *client) play(transport string) error {
	if _, err := c.do(base.Describe, c.url.String(), "Accept", "application/sdp"); err != nil {
		return err
	}
	res, err := c.do(base.Setup, c.url.String()+"/trackID=0", "Transport", transport)
	if err != nil {
		return err
	}
	c.session, _, _ = strings.Cut(res.Header["Session"][0], ";")
	_, err = c.do(base.Play, c.url.String()+"/", "Session", c.session, "Range", "npt=0.000-")
	return err
}

func (c *client) do(method base.Method, url string, pairs ...string) (*base.Response, error) {
	u, err := base.ParseURL(url)
	if err != nil {
		return nil, err
	}
	c.seq++
	req := base.Request{Method: method, URL: u, Header: base.Header{"CSeq": {strconv.Itoa(c.seq)}}}
	for i := 0; i < len(pairs); i += 2 {
		req.Header[pairs[i]] = base.HeaderValue{pairs[i+1]}
	}
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(b); err != nil {
		return nil, err
	}
	var res base.Response
	if err := res.Unmarshal(c.r); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if res.StatusCode != base.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", method, res.StatusCode, res.StatusMessage)
	}
	return &res, nil
}
