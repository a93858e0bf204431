package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPageWithPassword opens the page as the program and `make image` print its address, with name and password in it.
func TestPageWithPassword(t *testing.T) {
	d := startDaemon(t, faultsConfig+"users: [{name: viewer, password: secret}]\n")
	b := openBrowser(t, 1280, 900)
	do(b, chromedp.Navigate(strings.Replace(d.web, "http://", "http://viewer:secret@", 1)+"/"))
	b.until("the state", `document.querySelector("#health").textContent === "All is well"`)
	b.watch("hqstream", 320)
	b.until("the settings", `!document.querySelector("#settings").hidden`)
	b.input("#set-brightness", "60")
	b.until("the change to be known", `document.querySelector("#settings-state").textContent.includes("Brightness (saved: 50)")`)
	b.click("#save")
	b.until("the settings to be saved", `document.querySelector("#settings-state").textContent.startsWith("Saved in ")`)

	// What goes wrong in the page itself is not the network's fault.
	js[bool](b, `(showFacts = () => { throw new Error("a fault of the page"); }, true)`)
	b.until("the page to say so", `document.querySelector("#problem-list").textContent.includes("a fault of the page")`)
	if text := js[string](b, `document.querySelector("#problem-list").textContent`); strings.Contains(text, "cable") {
		t.Errorf("the page blames the network: %q", text)
	}
}

// TestPageHistory holds that the graphs show what was before the page was opened, whether that or the state comes first.
func TestPageHistory(t *testing.T) {
	d := startDaemon(t, faultsConfig)
	d.waitFor("some bitrates", func() bool {
		var body []byte
		var history struct {
			Bitrates map[string][]int `json:"bitrate_bps"`
		}
		return d.get("/history.json", &body) == http.StatusOK && json.Unmarshal(body, &history) == nil && len(history.Bitrates["hqstream"]) >= 4
	})
	b := openBrowser(t, 800, 600)
	// The state comes once, so that the page cannot measure anything itself.
	b.beforeLoading(`(() => {
		const first = location.search.slice(1), ask = window.fetch;
		let come, states = 0;
		const came = new Promise(done => { come = done; });
		window.fetch = async (what, options) => {
			const path = new URL(what.url).pathname;
			if (path === "/status.json" && states++) await new Promise(() => {});
			if (/history|status/.test(path) && path !== first) await came;
			const answer = await ask(what, options);
			if (path === first) setTimeout(come, 100);
			return answer;
		};
	})()`)
	for _, first := range []string{"/history.json", "/status.json"} {
		do(b, chromedp.Navigate(d.web+"/?"+first))
		b.until("a graph of the time before with "+first+" first", `feeds.size === 2 && [...feeds.values()].every(f =>
			f.history.length >= 4 && f.line.points.numberOfItems >= 4 && f.rate.textContent.includes("peak"))`)
	}
}

// TestPageHalfAnAnswer cuts the network off in the middle of an answer, which browsers themselves wait long for.
func TestPageHalfAnAnswer(t *testing.T) {
	d := startDaemon(t, faultsConfig)
	b := openBrowser(t, 800, 600)
	b.beforeLoading(`(() => {
		const ask = window.fetch;
		window.cut = null; // what becomes of the rest of an answer
		window.fetch = async (what, options) => {
			const answer = await ask(what, options);
			if (!window.cut || !what.url.endsWith("/status.json")) return answer;
			return new Response(new ReadableStream({ start: rest => { rest.enqueue(new TextEncoder().encode("{")); window.cut(rest); } }));
		};
	})()`)
	for name, cut := range map[string]string{"never ends": `() => {}`, "breaks off": `rest => rest.error(new TypeError("network error"))`} {
		do(b, chromedp.Navigate(d.web+"/"))
		b.until("the state", `document.querySelector("#health").textContent === "All is well"`)
		js[bool](b, `(window.cut = `+cut+`, true)`)
		b.until("the page to miss the rest of an answer that "+name, `document.querySelector("#health").textContent === "No answer"`)
	}
}
