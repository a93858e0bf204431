package mdns

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests on a network run this program again, inside network namespaces.
const roleVar = "CAMKRAZY_MDNS_TEST_ROLE"

var sender = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 5353}

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "camera":
		playCamera()
	case "judge":
		playJudge()
	default:
		// The tests on a network wait nearly all the time, so there may be more of them than processors.
		flag.Parse()
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
}

// playCamera announces until its standard input ends, and prints its name whenever that changes.
func playCamera() {
	a, err := New(Config{
		Name: "camkrazy",
		Services: []Service{
			{Type: "_rtsp._tcp", Port: 8554, Text: map[string]string{"path": "/hqstream"}},
			{Type: "_http._tcp", Port: 80, Text: map[string]string{"path": "/"}},
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	done := make(chan error, 1)
	// Less the reader of standard input, which is about to end.
	before := len(goroutines()) - 1
	go func() { done <- a.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	name := ""
	for {
		select {
		case <-tick.C:
			if now := a.Name(); now != name {
				name = now
				fmt.Println("name", name)
			}
			continue
		case err := <-done:
			fmt.Println("stopped", err)
		}
		break
	}
	late := time.After(3 * time.Second)
	for {
		left := goroutines()
		select {
		case <-tick.C:
			if len(left) > before {
				continue
			}
		case <-late:
			fmt.Fprintln(os.Stderr, strings.Join(left, "\n\n"))
		}
		fmt.Println("goroutines left", len(left)-before)
		return
	}
}

// goroutines are the stacks of all goroutines but two that the library leaves, and that nobody can end: its listener for
// link changes, and a reader, which stays behind if a message comes at the very moment when probing ends. One reader is
// let pass; a responder that is not drained leaves two.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	readers := 0
	return slices.DeleteFunc(all, func(stack string) bool {
		if strings.Contains(stack, "[chan send]") && strings.Contains(stack, "dnssd.(*mdnsConn).readInto") {
			readers++
			return readers == 1
		}
		return strings.Contains(stack, "netlink.linkSubscribeAt")
	})
}

// playJudge prints every record that is multicast, and asks each "NAME TYPE" that comes on its standard input with a plain
// DNS question from a port of its own (RFC 6762 section 6.7), whose answers it prints, too. It shares no code with the
// package nor with the announcer's library but the codec.
func playJudge() {
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	lan, err := net.InterfaceByName("lan")
	if err != nil {
		panic(err)
	}
	hear, err := net.ListenMulticastUDP("udp4", lan, group)
	if err != nil {
		panic(err)
	}
	ask, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 99, 0, 1)})
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	show := func(how string, c *net.UDPConn) {
		buf := make([]byte, 9000)
		for {
			n, _, err := c.ReadFromUDP(buf)
			if err != nil {
				return
			}
			var msg dns.Msg
			if msg.Unpack(buf[:n]) != nil || !msg.Response {
				continue
			}
			out.Lock()
			for _, r := range append(msg.Answer, msg.Extra...) {
				r.Header().Class &^= 1 << 15
				fmt.Println(how, strings.Join(strings.Fields(r.String()), " "))
			}
			out.Unlock()
		}
	}
	go show("heard", hear)
	go show("answer", ask)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		name, kind, _ := strings.Cut(in.Text(), " ")
		b, err := new(dns.Msg).SetQuestion(name, dns.StringToType[kind]).Pack()
		if err != nil {
			panic(err)
		}
		if _, err := ask.WriteTo(b, group); err != nil {
			panic(err)
		}
	}
}

// lan is a network of namespaces, each with an interface on a common bridge; the first holds the bridge and the judge.
type lan struct {
	t      *testing.T
	prefix string
	judge  *player
}

// newLAN makes a network, or skips the test where that is not possible.
func newLAN(t *testing.T, tag string) *lan {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need Debian's iproute2:", err)
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := &lan{t: t, prefix: fmt.Sprintf("mdns%d%s", os.Getpid(), tag)}
	if text, err := exec.Command("ip", "netns", "add", n.prefix).CombinedOutput(); err != nil {
		t.Skipf("network namespaces cannot be made here: %v: %s", err, text)
	}
	t.Cleanup(func() { n.ip("netns", "del", n.prefix) })
	n.in("", "link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
	n.in("", "addr", "add", "10.99.0.1/24", "dev", "lan")
	n.in("", "link", "set", "lan", "up")
	n.judge = n.play("judge", "")
	return n
}

// ip runs Debian's ip.
func (n *lan) ip(args ...string) {
	n.t.Helper()
	if text, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// in runs ip in a host's namespace, "" being the judge's.
func (n *lan) in(host string, args ...string) {
	n.t.Helper()
	n.ip(append([]string{"-n", n.prefix + host}, args...)...)
}

// host adds a host whose interface is down and without addresses.
func (n *lan) host(name string) {
	n.t.Helper()
	n.ip("netns", "add", n.prefix+name)
	n.t.Cleanup(func() { n.ip("netns", "del", n.prefix+name) })
	n.link(name, "eth0")
}

// link adds an interface to a host.
func (n *lan) link(host, name string) {
	n.t.Helper()
	port := host + name
	if name == "eth0" {
		port = host
	}
	n.in(host, "link", "add", name, "type", "veth", "peer", "name", port, "netns", n.prefix)
	n.in(host, "link", "set", name, "addrgenmode", "none")
	n.in("", "link", "set", "dev", port, "master", "lan", "up")
}

// plug gives a host its addresses and then its link.
func (n *lan) plug(host string, addrs ...string) {
	n.t.Helper()
	for _, addr := range addrs {
		args := []string{"addr", "add", addr, "dev", "eth0"}
		if strings.Contains(addr, ":") {
			args = append(args, "nodad")
		}
		n.in(host, args...)
	}
	n.in(host, "link", "set", "eth0", "up")
}

// player is this program in a role; the lines that it prints are collected.
type player struct {
	t     *testing.T
	name  string
	stdin io.WriteCloser
	lines chan string
	all   []string
	done  chan error
}

func (n *lan) play(role, host string) *player {
	n.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.prefix+host, os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stderr = n.t.Output()
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	p := &player{t: n.t, name: role + " " + host, stdin: stdin, lines: make(chan string, 1000), done: make(chan error, 1)}
	go func() {
		for in := bufio.NewScanner(stdout); in.Scan(); {
			p.lines <- in.Text()
		}
		p.done <- cmd.Wait()
		close(p.lines)
	}()
	n.t.Cleanup(func() {
		stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		for range p.lines {
		}
	})
	return p
}

// await returns the next line that holds all of these words.
func (p *player) await(words ...string) string {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s ended before it printed %q; it printed %q", p.name, words, p.all)
			}
			p.all = append(p.all, line)
			if containsAll(line, words) {
				return line
			}
		case <-late:
			p.t.Fatalf("%s did not print %q; it printed %q", p.name, words, p.all)
		}
	}
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line+" ", w+" ") {
			return false
		}
	}
	return true
}

// ask has the judge resolve a name until there is an answer with these words.
func (n *lan) ask(question string, words ...string) {
	n.t.Helper()
	n.askOne(query{question, words})
}

// query is a question and what the answer to it has in it.
type query struct {
	question string
	words    []string
}

// askOne is ask for several questions of which one is to be answered.
func (n *lan) askOne(queries ...query) {
	n.t.Helper()
	late := time.After(15 * time.Second)
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for range len(n.judge.lines) {
		<-n.judge.lines
	}
	ask := func() {
		for _, q := range queries {
			fmt.Fprintln(n.judge.stdin, q.question)
		}
	}
	ask()
	var all []string
	for {
		select {
		case line := <-n.judge.lines:
			all = append(all, line)
			if !strings.HasPrefix(line, "answer ") {
				continue
			}
			for _, q := range queries {
				if containsAll(line, q.words) {
					return
				}
			}
		case <-again.C:
			ask()
		case <-late:
			n.t.Fatalf("%q: not the answer among\n%s", queries, strings.Join(all, "\n"))
		}
	}
}

// end stops a camera and holds it to a clean end.
func (p *player) end() {
	p.t.Helper()
	p.stdin.Close()
	p.await("stopped <nil>")
	p.await("goroutines left 0")
}
