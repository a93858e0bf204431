package main

import (
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
