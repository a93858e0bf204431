package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/camkrazy/camkrazy/internal/camera"
	"github.com/camkrazy/camkrazy/internal/vcemu/scene"
)

// TestPageForPeople holds what makes the page of use to all: on a phone and on a desk, by day and by night, with a
// keyboard alone, with a screen reader, and over a slow network.
func TestPageForPeople(t *testing.T) {
	d := startDaemon(t, "")
	b := openBrowser(t, 1280, 900)
	for _, tt := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"desk", 1280, 900, "light"}, {"phone", 390, 844, "light"}, {"phone-at-night", 390, 844, "dark"}} {
		do(b, chromedp.EmulateViewport(tt.width, tt.height))
		do(b, colorScheme(tt.scheme))
		do(b, chromedp.Navigate(d.web+"/"))
		b.until("the settings", `!document.querySelector("#settings").hidden`)
		b.until("pictures", `document.querySelector("#video").currentTime > 0 && feeds.size === 2`)
		if tt.name == "desk" { // the browser has nothing of the page yet
			checkFirstLoad(b)
		}
		js[bool](b, `(document.querySelectorAll("details").forEach(e => { e.open = true; }), true)`)
		if wide := js[int](b, `document.scrollingElement.scrollWidth`); wide > int(tt.width) {
			t.Errorf("%s: the page is %d pixels wide, and the screen %d", tt.name, wide, tt.width)
		}
		if faults := js[[]string](b, namesAndContrast); len(faults) > 0 {
			t.Errorf("%s: %s", tt.name, strings.Join(faults, "\n"))
		}
		b.until("the bitrates", `[...document.querySelectorAll(".feed figcaption")].every(e => /now [\d.]+ [kM]bit\/s, peak [\d.]+ [kM]bit\/s/.test(e.textContent))`)
		if cut := js[[]string](b, `[...document.querySelectorAll("#addresses .where")].filter(e => e.scrollWidth > e.clientWidth || [...e.children].some(s => s.getClientRects().length > 1)).map(e => e.textContent)`); len(cut) > 0 {
			t.Errorf("%s: addresses that are cut or broken: %q", tt.name, cut)
		}
		b.screenshot(tt.name)
		checkTrouble(b)
		b.screenshot(tt.name + "-trouble")
	}
	checkKeyboard(b)
	checkControls(b)
}

// checkTrouble has the page show a problem and a notice: the cause and what to do apart, and the notice below them.
func checkTrouble(b *browser) {
	b.t.Helper()
	problem := "the camera is not streaming (no camera): " + camera.ErrRefused.Error()
	cause, cure, _ := strings.Cut(problem, "; ")
	const notice = "lqstream shows one colour only: it is dark, or the lens is covered"
	got := js[[]string](b, fmt.Sprintf(`(() => {
		showProblems([%q]);
		showNotices([%q]);
		const problem = $("problem-list").firstChild, notice = $("notice-list").firstChild;
		const below = notice.getBoundingClientRect().top > problem.getBoundingClientRect().bottom;
		return [problem.firstChild.data, problem.querySelector("small").textContent, notice.textContent, below ? "below" : "elsewhere"];
	})()`, problem, notice))
	if want := []string{cause, cure, notice, "below"}; !slices.Equal(got, want) {
		b.t.Errorf("the page shows trouble as %q, want %q", got, want)
	}
}

// checkControls has each control set the value that it shows, which changes nothing.
func checkControls(b *browser) {
	b.t.Helper()
	type result struct {
		Controls int      `json:"controls"`
		Rows     int      `json:"rows"`
		Errors   []string `json:"errors"`
		Unsaved  []string `json:"unsaved"`
	}
	got := js[result](b, `(async () => {
		const errors = [];
		for (const c of settings.controls.values()) {
			const field = c.line.querySelector("input, select");
			field.dispatchEvent(new Event(field.type === "range" ? "input" : "change"));
			while (settings.sending) await sleep(20);
			if ($("settings-errors").childElementCount) errors.push(c.key + ": " + $("settings-errors").textContent);
		}
		return { controls: settings.controls.size, rows: document.querySelectorAll(".control").length, errors, unsaved: settings.unsaved().map(c => c.key) };
	})()`)
	if got.Controls < 25 || got.Rows != got.Controls || len(got.Errors) > 0 || len(got.Unsaved) > 0 {
		b.t.Errorf("controls: %+v", got)
	}
}

func colorScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// namesAndContrast lists controls without a name for screen readers, those too small for a finger, and text with less
// than 4.5 to 1 against what is behind it (WCAG 2.1, 1.4.3, 4.1.2 and 2.5.8).
const namesAndContrast = `(() => {
	const faults = [], seen = e => e.checkVisibility() && e.getBoundingClientRect().width > 0;
	for (const e of document.querySelectorAll("button, input, select, a, summary, video, img")) {
		const name = e.getAttribute("aria-label") || e.alt || e.textContent.trim() || [...(e.labels || [])].map(l => l.textContent).join("");
		if (seen(e) && !name) faults.push("no name: " + e.outerHTML.slice(0, 80));
		if (seen(e) && e.matches("button, select, summary") && e.getBoundingClientRect().height < 24) faults.push("too small: " + e.outerHTML.slice(0, 80));
	}
	const parse = c => { const v = c.match(/[\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement;
		if (!texts.currentNode.data.trim() || !seen(e) || e.closest("#stage, :disabled, noscript, option")) continue;
		let back = e;
		while (back && parse(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
		const a = light(parse(getComputedStyle(e).color)), z = light(parse(back ? getComputedStyle(back).backgroundColor : "rgb(255, 255, 255)"));
		const ratio = (Math.max(a, z) + 0.05) / (Math.min(a, z) + 0.05);
		if (ratio < 4.5) faults.push("contrast " + ratio.toFixed(1) + ": " + texts.currentNode.data.trim().slice(0, 60));
	}
	return faults;
})()`

// checkFirstLoad holds that the page loads in one round of few and small requests besides the video.
func checkFirstLoad(b *browser) {
	b.t.Helper()
	type resource struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	loaded := js[[]resource](b, `[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
		.filter((e, i, all) => all.findIndex(o => o.name === e.name) === i)
		.map(e => ({ name: new URL(e.name).pathname, size: e.transferSize }))`)
	var names []string
	total := 0
	for _, r := range loaded {
		if !strings.HasPrefix(r.Name, "/live/") {
			names = append(names, r.Name)
			total += r.Size
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "/ /app.js /history.json /settings.json/controls /status.json /style.css" || total > 100_000 {
		b.t.Errorf("the page loads %s, %d bytes", got, total)
	}
	b.t.Logf("first load: %d requests, %d bytes", len(names), total)
}

// checkKeyboard reaches and turns a slider without a mouse.
func checkKeyboard(b *browser) {
	b.t.Helper()
	b.until("the settings", `!document.querySelector("#settings").hidden`)
	js[bool](b, `(scrollTo(0, 0), document.activeElement.blur(), true)`)
	var path []string
	for range 40 {
		do(b, chromedp.KeyEvent(kb.Tab))
		at := js[string](b, `document.activeElement.id || document.activeElement.textContent.trim()`)
		path = append(path, at)
		if at == "set-brightness" {
			break
		}
	}
	if path[0] != "Skip to the settings" || !slices.Contains(path, "lqstream") || path[len(path)-1] != "set-brightness" {
		b.t.Fatalf("the Tab key leads to %q", path)
	}
	do(b, chromedp.KeyEvent(kb.ArrowRight))
	b.until("brightness of 51", `settings.value("brightness") === 51`)
	b.click("#undo")
	b.until("brightness of 50", `settings.value("brightness") === 50`)
}

// TestPageSurvivesTrouble holds that the page says within 5 s when the camera gives no answer any more, and comes back by
// itself.
func TestPageSurvivesTrouble(t *testing.T) {
	d := startDaemon(t, "")
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(d.web+"/"))
	b.watch("lqstream", 640)
	stopped := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.cmd.Process.Signal(syscall.SIGCONT) })
	b.until("the page to say that there is trouble", `document.querySelector("#note").textContent.includes("No picture has come")`)
	if took := time.Since(stopped); took > 5500*time.Millisecond {
		t.Errorf("the page said so after %v", took)
	}
	b.until("the page to know that nobody answers", `document.querySelector("#health").textContent === "No answer"`)
	b.screenshot("stopped")
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.until("the page to be well again", `document.querySelector("#health").textContent === "All is well"`)
	b.until("pictures", `!document.querySelector("#video").hidden && document.querySelector("#note").textContent.startsWith("Live")`)
	first, _ := b.stamp()
	until(t, "the picture to move", func() bool { n, _ := b.stamp(); return n > first+30 })
}

// TestPageTellsOfStall holds that the page says within 5 s when the pictures stop, and shows them by itself when they
// come again: the camera's service is closed, and the camera is refused for 10 s.
func TestPageTellsOfStall(t *testing.T) {
	d := startDaemon(t, faultsConfig, "--faults", "12s:nocamera,12s:disconnect")
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(d.web+"/"))
	b.watch("lqstream", 160)
	if d.status().UptimeS > 11 {
		t.Skip("this machine is too slow: the fault came before the page played")
	}
	b.until("the page to tell", `!document.querySelector("#problems").hidden`)
	told, age := time.Now(), d.status().Streams["lqstream"].FrameAgeMS
	if *age > 5500 {
		t.Errorf("the page told of it %d ms after the last picture", *age)
	}
	b.until("a sign of trouble at the picture", `document.querySelector("#note").textContent.includes("No picture") || !document.querySelector("#still").hidden`)
	b.screenshot("stalled")
	b.until("all to be well", `document.querySelector("#problems").hidden && document.querySelector("#health").textContent === "All is well"`)
	b.until("the live view", `!document.querySelector("#video").hidden && document.querySelector("#note").textContent.startsWith("Live")`)
	t.Logf("the page told of it %d ms after the last picture, and was well %v later", *age, time.Since(told))
	first, _ := b.stamp()
	until(t, "the picture to move", func() bool { n, _ := b.stamp(); return n > first+20 })
	if facts := js[string](b, `document.querySelector("#facts").textContent`); !strings.Contains(facts, "GPU reconnected") {
		t.Errorf("the page does not tell of the recovery: %s", facts)
	}
}

// TestPageWithoutVideo has a browser that cannot play live video: it shows snapshots that renew themselves, and says why.
func TestPageWithoutVideo(t *testing.T) {
	d := startDaemon(t, "snapshot: {interval: 200ms}\n")
	b := openBrowser(t, 800, 600)
	b.beforeLoading("delete window.MediaSource; delete window.ManagedMediaSource;")
	do(b, chromedp.Navigate(d.web+"/"))
	b.until("the reason", `document.querySelector("#note").textContent === "This browser cannot play live video: snapshots instead"`)
	stamp := func() uint32 {
		pixels, width, height := b.gray("#still")
		n, ok := scene.ReadStamp(pixels, width, width, height)
		if !ok {
			return 0
		}
		return n
	}
	until(t, "a snapshot", func() bool { return stamp() > 0 })
	first := stamp()
	until(t, "another snapshot", func() bool { return stamp() > first })
}

// TestPageLeavesNothing loads the page a hundred times: no goroutine and no watcher remains.
func TestPageLeavesNothing(t *testing.T) {
	d := startDaemon(t, "")
	b := openBrowser(t, 800, 600)
	load := func(int) {
		do(b, chromedp.Navigate(d.web+"/"))
		b.until("a live view", `live.name`)
	}
	for i := range 3 {
		load(i) // until everything has been used once
	}
	leavesNothing(t, "goroutines", func() int {
		do(b, chromedp.Navigate("about:blank"))
		d.waitFor("the watchers to be gone", func() bool { return d.metric("camkrazy_http_watchers") == 0 })
		return d.metric("camkrazy_process_goroutines")
	}, 100, load)
}

// metric is the sum of one metric's values; -1 if it cannot be had.
func (d *daemon) metric(name string) int {
	d.t.Helper()
	var text []byte
	if d.get("/metrics", &text) != http.StatusOK {
		return -1
	}
	sum := 0
	for _, found := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\d+)$`).FindAllSubmatch(text, -1) {
		n, err := strconv.Atoi(string(found[1]))
		if err != nil {
			d.t.Fatal(err)
		}
		sum += n
	}
	return sum
}
