package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab of Debian's Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser starts a browser with an empty profile and a window of the given size. Errors of the page's script, and what
// its security policy forbids, fail the test.
func openBrowser(t *testing.T, width, height int) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(judge(t, "chromium")), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(width, height),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU, chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(commandTimeout),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*commandTimeout)
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	tab, closeTab := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: tab}
	var complaints syncBuffer
	listening := chromedp.Listen(tab, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			fmt.Fprintln(&complaints, e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
		case *log.EventEntryAdded:
			if e.Entry.Source != log.EntrySourceNetwork { // a daemon that is away is what some tests are about
				fmt.Fprintln(&complaints, e.Entry.Source, e.Entry.Text)
			}
		}
	})
	if listening != nil {
		t.Fatal(listening)
	}
	t.Cleanup(func() {
		if text := complaints.String(); text != "" {
			t.Errorf("the browser complains:\n%s", text)
		}
		if t.Failed() {
			b.screenshot("failed")
		}
		closeTab()
		stop()
		cancel()
	})
	return b
}

// do has the browser do something and returns what comes out.
func do[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// js evaluates an expression in the page; one that is a promise is waited for.
func js[T any](b *browser, expression string) T {
	b.t.Helper()
	return do(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	until(b.t, what, func() bool { return js[bool](b, "Boolean("+expression+")") })
}

// beforeLoading has each page run a script before its own.
func (b *browser) beforeLoading(script string) {
	b.t.Helper()
	do(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}))
}

// screenshot keeps a picture of the page if somebody wants to look: in the folder CAMKRAZY_SCREENSHOTS.
func (b *browser) screenshot(name string) {
	dir := os.Getenv("CAMKRAZY_SCREENSHOTS")
	if dir == "" {
		return
	}
	limit, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(limit, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Log("screenshot:", err)
		return
	}
	file := filepath.Join(dir, filepath.Base(b.t.Name())+"-"+name+".png")
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Log("screenshot:", err)
	}
}

// gray reads the picture that an element shows, in its own size.
func (b *browser) gray(selector string) (pixels []byte, width, height int) {
	b.t.Helper()
	got := js[struct {
		Data   string `json:"data"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
	}](b, `(() => {
		const e = document.querySelector('`+selector+`');
		const width = e.videoWidth || e.naturalWidth, height = e.videoHeight || e.naturalHeight;
		if (!width) return { data: "", width: 0, height: 0 };
		const c = new OffscreenCanvas(width, height), g = c.getContext("2d", { willReadFrequently: true });
		g.drawImage(e, 0, 0);
		const rgba = g.getImageData(0, 0, width, height).data, gray = new Uint8Array(width * height);
		for (let i = 0; i < gray.length; i++) gray[i] = rgba[4 * i + 1];
		let text = "";
		for (let i = 0; i < gray.length; i += 32768) text += String.fromCharCode(...gray.subarray(i, i + 32768));
		return { data: btoa(text), width, height };
	})()`)
	pixels, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return pixels, got.Width, got.Height
}
