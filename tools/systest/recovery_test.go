package systest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/camkrazy/camkrazy/internal/vcemu"
	"github.com/camkrazy/camkrazy/internal/vcemu/faults"
	"github.com/camkrazy/camkrazy/internal/webd"
)

const (
	// detectLimit is when a fault has to be known, and askingTime what it takes to hear of it from a board whose CPU and
	// network are emulated.
	detectLimit = 2 * time.Second
	askingTime  = time.Second
	// mendLimit, restartLimit and rebootLimit are when both feeds have to show new pictures after the end of a fault, or its
	// beginning if it ends only by what is done about it.
	mendLimit    = 5 * time.Second
	restartLimit = 15 * time.Second
	rebootLimit  = 60 * time.Second
)

// faultStreams are the streams of cameraYAML as their encoders show them.
var faultStreams = []faults.Stream{{Name: "hqstream", Width: 640, Height: 480, BitRate: 1_000_000}, {Name: "lqstream", Width: 320, Height: 240, BitRate: 300_000}}

// mishap is something that happens to a board.
type mishap struct {
	name  string
	begin func(t *testing.T, b *videoCoreBoard)
	lasts time.Duration // by itself; 0 until something is done
	limit time.Duration // for pictures, after its end
	// seen says that the board knows of it, by what its status was before and is now. nil: camwatch says so.
	seen func(before, now webd.Status) bool
	// boots says that the board reboots.
	boots bool
}

// script makes mishaps of VideoCore's faults, of one moment.
func script(text string) func(t *testing.T, b *videoCoreBoard) {
	return func(t *testing.T, b *videoCoreBoard) {
		t.Helper()
		list, err := faults.Parse(text, faultStreams)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if err := f.Inject(b.host.GPU().Firmware); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// actions counts all that the daemon has done against trouble.
func actions(st webd.Status) int {
	n := st.Recovery.Pipelines + st.Recovery.Reconnects + st.Recovery.Restarts
	for _, s := range st.Streams {
		n += s.Recoveries
	}
	return n
}

func acted(before, now webd.Status) bool { return actions(now) > actions(before) }

// mishaps are those that no reboot is needed for.
func mishaps() []mishap {
	return []mishap{
		{name: "one encoder stalls", begin: script("0s:stall:lqstream"), limit: mendLimit, seen: acted},
		{name: "both encoders stall", begin: script("0s:stall"), limit: mendLimit, seen: acted},
		{name: "an encoder locks up after a scene cut", begin: script("0s:lockup:lqstream"), limit: mendLimit, seen: acted},
		{name: "sensor stops", begin: script("0s:sensor"), limit: mendLimit, seen: acted},
		{name: "service closes", begin: script("0s:disconnect"), limit: mendLimit, seen: acted},
		{name: "VideoCore silent for 10 s", begin: script("0s:silent"), lasts: vcemu.FaultTime, limit: mendLimit, seen: acted},
		{name: "a bulk transfer never completes", begin: script("0s:bulk"), limit: mendLimit, seen: acted},
		{name: "one stream frozen", begin: script("0s:freeze:hqstream"), limit: mendLimit, seen: acted},
		{name: "all pictures frozen", begin: script("0s:freeze"), limit: mendLimit, seen: acted},
		{name: "camera refused for 10 s", begin: script("0s:nocamera,0s:sensor"), lasts: vcemu.FaultTime, limit: mendLimit, seen: acted},
		{name: "daemon stopped (SIGSTOP)", begin: func(t *testing.T, b *videoCoreBoard) { b.stopDaemon(t) }, limit: restartLimit},
	}
}

// lastMishap takes the board's VideoCore away for good: only a reboot brings another one.
var lastMishap = mishap{
	name: "VideoCore dead", begin: func(_ *testing.T, b *videoCoreBoard) { b.host.GPU().Slots.Mute(true) },
	limit: rebootLimit, seen: acted, boots: true,
}

// outcome is what a mishap came to.
type outcome struct {
	name           string
	detected, back time.Duration
	done           string
	sameConnection bool
}

// testRecovery lets all happen to a board that can, while a player watches each feed as a recorder would.
func testRecovery(t *testing.T, b *videoCoreBoard, e effort) {
	b.startMeddler(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watchers := []*watcher{watch(ctx, b.board, feeds[0]), watch(ctx, b.board, feeds[1])}
	var table []outcome
	for i, m := range append(mishaps(), lastMishap) {
		if i > 0 {
			// Another process does not count this trouble to the last one's, which would have to be over for longer.
			if err := b.killDaemon(ctx); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(m.name, func(t *testing.T) { table = append(table, b.suffer(t, m, watchers, e.slack)) })
	}
	stop()
	for _, w := range watchers {
		w.wait()
	}
	t.Logf("\n%s", tableOf(table))
	if b.Boots() != 2 {
		t.Errorf("the board booted %d times, want 2", b.Boots())
	}
	if e.soak > 0 {
		t.Run("soak", func(t *testing.T) { testSoak(t, b, e) })
	}
}

// tableOf is what README has.
func tableOf(list []outcome) string {
	var s strings.Builder
	s.WriteString("| what happens | known after | pictures again after | what was done | viewers |\n|---|---|---|---|---|\n")
	for _, o := range list {
		viewers := "come again"
		if o.sameConnection {
			viewers = "stay"
		}
		fmt.Fprintf(&s, "| %s | %.1f s | %.1f s | %s | %s |\n", o.name, o.detected.Seconds(), o.back.Seconds(), o.done, viewers)
	}
	return s.String()
}

// suffer lets a mishap happen, and waits until all is well. What depends on this machine may take slack times as long.
func (b *videoCoreBoard) suffer(t *testing.T, m mishap, watchers []*watcher, slack time.Duration) outcome {
	t.Helper()
	b.settleDown(t, watchers)
	before := b.status(t)
	said := strings.Count(b.guardLog(t), "no sign of life")
	boots := b.Boots()
	connections := [2]int{watchers[0].connections(), watchers[1].connections()}
	_, st := b.stats(t)
	began := time.Now()
	m.begin(t, b)

	ctx, cancel := context.WithTimeoutCause(t.Context(), m.lasts+3*rebootLimit, errors.New("it goes on and on"))
	defer cancel()
	known := make(chan time.Duration, 1)
	go func() {
		err := poll(ctx, func() (bool, error) {
			if m.seen == nil {
				text, err := b.serviceLog(ctx, guardPath)
				return err == nil && strings.Count(text, "no sign of life") > said, nil
			}
			now, err := b.readStatus(ctx)
			return err == nil && m.seen(before, now), nil
		})
		if err != nil {
			t.Errorf("it is never known: %v", err)
		}
		known <- time.Since(began)
	}()
	o := outcome{name: m.name, sameConnection: true}
	for i, w := range watchers {
		at, err := w.picture(ctx, func(number int, session time.Time) bool {
			if m.boots {
				return b.Boots() > boots && session.After(began)
			}
			// A picture that was taken well after the fault: those that were on their way do not count.
			return number > int(st.SensorFrames)+cameraRate/2
		})
		if err != nil {
			t.Fatalf("%s: no pictures: %v", w.feed.name, err)
		}
		o.back = max(o.back, at.Sub(began))
		o.sameConnection = o.sameConnection && w.connections() == connections[i]
	}
	o.detected = <-known
	var after webd.Status
	err := poll(ctx, func() (bool, error) {
		var err error
		after, err = b.readStatus(ctx) // a connection to the process before may be in the way
		return err == nil, b.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	o.done = difference(before, after, b.Boots() > boots, m.seen == nil)
	t.Logf("known after %.1f s, pictures again after %.1f s: %s", o.detected.Seconds(), o.back.Seconds(), o.done)
	if m.seen != nil && o.detected > detectLimit+slack*askingTime {
		t.Errorf("it was known after %v, want %v", o.detected, detectLimit)
	}
	if limit := m.lasts + slack*m.limit; o.back > limit {
		t.Errorf("pictures came again after %v, want %v", o.back, limit)
		b.logDaemon(t)
	}
	return o
}

// settleDown waits until all is well and the trouble before is forgotten, so that each begins at the bottom.
func (b *videoCoreBoard) settleDown(t *testing.T, watchers []*watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), bootTimeout, errors.New("the board does not get well"))
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		rsp, _, err := b.get(ctx, "/healthz")
		return err == nil && rsp.StatusCode == http.StatusOK, b.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	for _, w := range watchers {
		if _, err := w.picture(ctx, func(int, time.Time) bool { return w.lastPicture().After(since.Add(2 * time.Second)) }); err != nil {
			t.Fatalf("%s: %v", w.feed.name, err)
		}
	}
}

// difference says in words what was done between two states.
func difference(before, now webd.Status, rebooted, killed bool) string {
	var list []string
	add := func(n int, what string) {
		switch {
		case n == 1:
			list = append(list, what)
		case n > 1:
			list = append(list, fmt.Sprintf("%s ×%d", what, n))
		}
	}
	for _, name := range []string{"hqstream", "lqstream"} {
		add(now.Streams[name].Recoveries-before.Streams[name].Recoveries, name+" rebuilt")
	}
	add(now.Recovery.Pipelines-before.Recovery.Pipelines, "pipeline rebuilt")
	add(now.Recovery.Reconnects-before.Recovery.Reconnects, "reconnected")
	add(now.Recovery.Restarts-before.Recovery.Restarts, "restarted")
	if killed {
		list = append(list, "killed and restarted")
	}
	if rebooted {
		list = append(list, "rebooted")
	}
	return strings.Join(list, ", ")
}

// guardPath is camwatch among gokrazy's services.
const guardPath = "/user/camwatch"

func (b *board) guardLog(t *testing.T) string {
	t.Helper()
	text, err := b.serviceLog(t.Context(), guardPath)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// startMeddler has gokrazy start what does harm to the board.
func (b *board) startMeddler(t *testing.T) {
	t.Helper()
	b.runOnce(t, meddlerPath, regexp.MustCompile(`ready`))
}

// meddle tells it what to do.
func (b *board) meddle(t *testing.T, action string, values url.Values) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	rsp, err := client.PostForm("http://"+b.Addr(meddlerPort)+action, values)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s %s (%v)", action, values, rsp.Status, body, err)
	}
	return strings.TrimSpace(string(body))
}

// stopDaemon sends the daemon SIGSTOP: nothing in it runs any more, and it stays.
func (b *board) stopDaemon(t *testing.T) {
	t.Helper()
	if n := b.meddle(t, "/signal", url.Values{"program": {"camkrazy"}, "signal": {strconv.Itoa(int(syscall.SIGSTOP))}}); n != "1" {
		t.Fatalf("%s processes were stopped, want 1", n)
	}
}

// soakGap is the time between two faults of a soak.
const leastSoakGap, mostSoakGap = 20 * time.Second, 60 * time.Second

// testSoak lets random things happen for a long time.
func testSoak(t *testing.T, b *videoCoreBoard, e effort) {
	r := rand.New(rand.NewPCG(e.seed, 1))
	b.startMeddler(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watchers := []*watcher{watch(ctx, b.board, feeds[0]), watch(ctx, b.board, feeds[1])}
	list := mishaps()
	b.settleDown(t, watchers)
	settle(t, b.board)
	sectors, boots := sectorsWritten(t, b.board), b.Boots()
	first := b.vital(t)
	worst := map[string]time.Duration{}
	n := 0
	for began := time.Now(); time.Since(began) < e.soak; n++ {
		gap := leastSoakGap + time.Duration(r.Int64N(int64(mostSoakGap-leastSoakGap)))
		select {
		case <-time.After(gap):
		case <-ctx.Done():
		}
		m := list[r.IntN(len(list))]
		o := b.suffer(t, m, watchers, e.slack)
		worst[m.name] = max(worst[m.name], o.back)
		if t.Failed() {
			t.Fatalf("fault %d, %s after %v; SEED=%d", n, m.name, gap, e.seed)
		}
	}
	b.settleDown(t, watchers)
	last := b.vital(t)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range worst {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("%s: pictures again after %.1f s at worst", name, worst[name].Seconds())
	}
	written := sectorsWritten(t, b.board) - sectors
	t.Logf("%d faults in %v: memory from %.1f to %.1f MB, goroutines from %d to %d, %d sectors written, %d boots",
		n, e.soak, float64(first.memory)/1e6, float64(last.memory)/1e6, first.goroutines, last.goroutines, written, b.Boots()-boots)
	const slack = 1.25
	if float64(last.memory) > slack*float64(first.memory) || last.goroutines > first.goroutines+10 {
		t.Errorf("memory or goroutines grew: %+v, before %+v", last, first)
	}
	if written != 0 || b.Boots() != boots {
		t.Errorf("%d sectors were written and the board booted %d times", written, b.Boots()-boots)
	}
}

// vital is what must not grow.
type vital struct {
	memory     uint64
	goroutines int
}

var goroutineMetric = regexp.MustCompile(`(?m)^camkrazy_process_goroutines (\d+)$`)

func (b *board) vital(t *testing.T) vital {
	t.Helper()
	rsp, body, err := b.get(t.Context(), "/metrics")
	if err != nil || rsp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %v (%v)", rsp, err)
	}
	found := goroutineMetric.FindSubmatch(body)
	if found == nil {
		t.Fatalf("/metrics does not tell the goroutines:\n%s", body)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return vital{memory: b.status(t).Host.MemoryRSSBytes, goroutines: n}
}

// littleMemory is a small board's.
const littleMemory = 512 << 20

// testLittleMemory has a board of 512 MB, and a program on it that takes more and more of its memory. The kernel has to
// end that one: pictures go on, and the board is not rebooted.
func testLittleMemory(t *testing.T, p product, emulator string) {
	b := newVideoCoreBoard(t, p, emulator, boardOptions{memory: littleMemory})
	b.start(t)
	b.startMeddler(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watchers := []*watcher{watch(ctx, b.board, feeds[0]), watch(ctx, b.board, feeds[1])}
	b.settleDown(t, watchers)
	began := time.Now()
	const step, enough = 32, 1024 // megabytes
	taken := 0
	for taken < enough {
		client := http.Client{Timeout: time.Minute}
		rsp, err := client.PostForm("http://"+b.Addr(meddlerPort)+"/take", url.Values{"megabytes": {strconv.Itoa(step)}})
		if err != nil {
			break // it is no more
		}
		rsp.Body.Close()
		taken += step
	}
	if taken == 0 || taken >= enough {
		t.Fatalf("the hog took %d MB of %d and nobody ended it", taken, littleMemory>>20)
	}
	after := time.Now()
	for _, w := range watchers {
		ctx, cancel := context.WithTimeoutCause(t.Context(), restartLimit, fmt.Errorf("no pictures for %v", restartLimit))
		at, err := w.picture(ctx, func(int, time.Time) bool { return w.lastPicture().After(after) })
		cancel()
		if err != nil {
			t.Fatalf("%s: %v", w.feed.name, err)
		}
		t.Logf("%s: pictures %.1f s after the hog's end, longest gap %.1f s", w.feed.name, at.Sub(after).Seconds(), w.longestGap().Seconds())
		if gap := w.longestGap(); gap > restartLimit {
			t.Errorf("%s: no pictures for %v", w.feed.name, gap)
		}
	}
	st := b.status(t)
	t.Logf("the hog was ended at about %d MB after %.0f s; the daemon has %.1f MB, connections %d and %d", taken,
		after.Sub(began).Seconds(), float64(st.Host.MemoryRSSBytes)/1e6, watchers[0].connections(), watchers[1].connections())
	if b.Boots() != 1 {
		t.Errorf("the board booted %d times", b.Boots())
	}
}
