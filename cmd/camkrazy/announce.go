package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/camkrazy/camkrazy/internal/config"
	"github.com/camkrazy/camkrazy/internal/mdns"
)

// announce tells a person where to look.
func (a *appliance) announce(w io.Writer) {
	for _, server := range []struct {
		scheme string
		addr   net.Addr
	}{{"rtsp", a.rtsp.Addr()}, {"rtsps", a.rtsp.TLSAddr()}} {
		if server.addr == nil {
			continue
		}
		url := server.scheme + "://" + reachable(server.addr)
		for _, s := range a.cfg.Streams {
			fmt.Fprintf(w, "%-9s %s/%s  (%dx%d, %.4g frames/s)\n", "stream", url, s.Name, s.Width, s.Height, s.FrameRate)
		}
	}
	if a.web == nil {
		return
	}
	for _, server := range []struct {
		scheme string
		addr   net.Addr
	}{{"http", a.web.Addr()}, {"https", a.web.TLSAddr()}} {
		if server.addr == nil {
			continue
		}
		url := server.scheme + "://" + reachable(server.addr)
		fmt.Fprintf(w, "%-9s %s/\n", "page", url)
		fmt.Fprintf(w, "%-9s %s/camera.jpg\n", "snapshot", url)
		fmt.Fprintf(w, "%-9s %s/status.json\n", "status", url)
	}
}

// reachable is the address by which a person reaches a socket: if it listens on all interfaces, by the name that the
// network is told.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	host := "127.0.0.1"
	if name, err := os.Hostname(); err == nil {
		host = name + ".local"
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// newAnnouncer tells the network where to look; nil if nothing can be reached from there.
func newAnnouncer(cfg config.Config, rtsp, web net.Addr, log *slog.Logger) (*mdns.Announcer, error) {
	var services []mdns.Service
	if port := publicPort(rtsp); port != 0 {
		path := map[string]string{"path": "/" + cfg.Streams[0].Name}
		services = append(services, mdns.Service{Type: "_rtsp._tcp", Port: port, Text: path})
	}
	if port := publicPort(web); port != 0 {
		services = append(services, mdns.Service{Type: "_http._tcp", Port: port, Text: map[string]string{"path": "/"}})
	}
	if len(services) == 0 {
		return nil, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find host name to announce: %w", err)
	}
	return mdns.New(mdns.Config{Name: name, Services: services, Logger: log})
}

// publicPort is the port of an address that others than this machine can reach, else 0.
func publicPort(addr net.Addr) int {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return 0
	}
	return tcp.Port
}
