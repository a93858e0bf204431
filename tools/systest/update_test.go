package systest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// updateTimeout bounds an update, with its build and the board's restart.
const updateTimeout = 5 * time.Minute

// update is a run of gok against the board.
type update struct {
	gateway *gateway
	hangUp  context.CancelFunc // breaks gok's connections
	end     context.CancelFunc // kills gok
	done    chan error         // gets gok's end
	said    *bytes.Buffer      // not to be read before done
}

// beginUpdate starts to update the board to product p. The gateway tells when it has come to a place.
func beginUpdate(t *testing.T, b *board, p product, at place) *update {
	t.Helper()
	cut, hangUp := context.WithCancel(t.Context())
	ctx, end := context.WithTimeout(t.Context(), updateTimeout)
	u := &update{gateway: newGateway(t, b, at, cut), hangUp: hangUp, end: end, done: make(chan error, 1), said: new(bytes.Buffer)}
	cmd := p.command(ctx, "-update", u.gateway.host())
	cmd.Stdout, cmd.Stderr = u.said, u.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { u.done <- cmd.Wait() }()
	t.Cleanup(func() {
		u.stop()
		hangUp()
	})
	return u
}

// stop kills gok and waits for its end.
func (u *update) stop() {
	u.end()
	u.done <- <-u.done
}

// wait waits for one of the update's events; that gok ends before it is an error.
func (u *update) wait(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case err := <-u.done:
		u.done <- err
		t.Fatalf("gok ended before %s: %v\n%s", what, err, u.said)
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}

// transfer is what a whole update looks like.
type transfer struct {
	bytes int64         // sent to the board
	took  time.Duration // from the first byte to the first picture after the restart
}

// testUpdate updates a running board, in one piece and not.
func testUpdate(t *testing.T, p product, e effort) {
	b := newSlowBoard(t, p, cardRate)
	b.start(t)
	var whole transfer
	t.Run("whole", func(t *testing.T) { whole = testWholeUpdate(t, b, p) })
	if whole.bytes == 0 {
		t.Fatal("without a whole update there is no knowing what a part of it is")
	}
	t.Run("cable pulled at 30 percent", func(t *testing.T) { testCablePulled(t, b, p, place{bytes: whole.bytes * 30 / 100}) })
	t.Run("connection lost at 80 percent", func(t *testing.T) { testConnectionLost(t, b, p, place{bytes: whole.bytes * 80 / 100}) })
	random := rand.New(rand.NewPCG(e.seed, 0))
	for i := range e.powerCuts {
		moment := time.Duration(random.Int64N(int64(whole.took)))
		t.Run(fmt.Sprintf("power cut %d", i), func(t *testing.T) { testPowerCut(t, b, p, moment) })
	}
	if e.long {
		t.Run("broken off twice", func(t *testing.T) { testBrokenOffTwice(t, p) })
	}
	t.Run("whole again", func(t *testing.T) { testWholeUpdate(t, b, p) })
}

// testWholeUpdate updates the board and measures.
func testWholeUpdate(t *testing.T, b *board, p product) transfer {
	before, err := b.gokrazyStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, boots := b.activeRoot(t), b.Boots()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := watch(ctx, b, feeds[0])
	if err := waitPicture(ctx, w, time.Time{}); err != nil {
		t.Fatal(err)
	}
	u := beginUpdate(t, b, p, place{})
	u.wait(t, "sending anything", u.gateway.started)
	began := time.Now()
	if err := <-u.done; err != nil {
		t.Fatalf("gok: %v\n%s", err, u.said)
	}
	u.done <- nil
	if err := b.waitStreaming(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err := waitPicture(ctx, w, began); err != nil {
		t.Fatal(err)
	}
	stop()
	w.wait()
	_, _, sent := u.gateway.where()
	t.Logf("updated: %.1f MB in %.0f s with the restart; %.1f s without pictures", float64(sent)/1e6, took.Seconds(), w.longestGap().Seconds())

	after, err := b.gokrazyStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.BuildTimestamp == before.BuildTimestamp {
		t.Errorf("the board still runs what was built at %s", after.BuildTimestamp)
	}
	if now := b.activeRoot(t); now == root || b.Boots() != boots+1 {
		t.Errorf("the board booted %d times, and its root is partition %d as before", b.Boots()-boots, now)
	}
	return transfer{bytes: sent, took: took}
}

// testCablePulled pulls the network cable in the middle of an update. gok gives up, the cable is plugged in again: the
// board is as before, and starts as before.
func testCablePulled(t *testing.T, b *board, p product, at place) {
	boots := b.Boots()
	u := beginUpdate(t, b, p, at)
	u.wait(t, "the place to cut", u.gateway.reached)
	if err := b.PlugNetwork(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	t.Logf("cable pulled %v", u.gateway)
	u.stop()
	u.hangUp()
	if err := b.PlugNetwork(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	b.checkUnharmed(t, boots)
}

// testConnectionLost has gok's computer go away in the middle of an update.
func testConnectionLost(t *testing.T, b *board, p product, at place) {
	boots := b.Boots()
	u := beginUpdate(t, b, p, at)
	u.wait(t, "the place to cut", u.gateway.reached)
	u.hangUp()
	t.Logf("connection lost %v", u.gateway)
	u.stop()
	b.checkUnharmed(t, boots)
}

// checkUnharmed holds that the board streams, has not restarted, and can be started again.
func (b *board) checkUnharmed(t *testing.T, boots int) {
	t.Helper()
	if err := b.waitStreaming(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.Boots() != boots {
		t.Errorf("the board restarted")
	}
	b.PowerCut()
	b.checkBootFiles(t)
	b.start(t)
}

// testPowerCut cuts the power some time after an update's first byte.
func testPowerCut(t *testing.T, b *board, p product, moment time.Duration) {
	u := beginUpdate(t, b, p, place{})
	u.wait(t, "sending anything", u.gateway.started)
	select {
	case <-time.After(moment):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
	at := u.gateway.String()
	b.PowerCut()
	u.stop()
	b.checkBootFiles(t)
	b.start(t)
	t.Logf("power cut %.1f s after the first byte, %s: streams again from partition %d", moment.Seconds(), at, b.activeRoot(t))
}

// testBrokenOffTwice measures what README warns of. A board that runs from partition 3 gets the choice of partition 2 with
// the boot partition; an update that breaks off after that leaves the choice there. The next update writes partition 2,
// and the power goes while it does.
func testBrokenOffTwice(t *testing.T, p product) {
	b := newSlowBoard(t, p, cardRate)
	b.start(t)
	if b.activeRoot(t) == 2 {
		testWholeUpdate(t, b, p)
	}
	u := beginUpdate(t, b, p, place{path: "/update/mbr", bytes: 1})
	u.wait(t, "the place to cut", u.gateway.reached)
	u.hangUp()
	t.Logf("connection lost %v", u.gateway)
	u.stop()
	if err := b.waitStreaming(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.cutPowerWhileWritten(t, p, place{rootUpload, 1}, 10<<20)
	if err := b.PowerOn(); err != nil {
		t.Fatal(err)
	}
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.waitStreaming(ctx); err == nil {
		t.Error("the board streams: is gokrazy safe now? README says that it is not")
	}
}

// activeRoot is the partition from which the board runs.
func (b *board) activeRoot(t *testing.T) int {
	t.Helper()
	line, err := b.WaitConsole(t.Context(), "inactiveRootPartition = ")
	if err != nil {
		t.Fatal(err)
	}
	_, inactive, _ := strings.Cut(line, "inactiveRootPartition = ")
	switch strings.TrimSpace(inactive) {
	case "2":
		return 3
	case "3":
		return 2
	default:
		t.Fatalf("the console says %q", line)
		return 0
	}
}
