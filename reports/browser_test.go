package reports

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"taskbench/harness"
)

// browser starts headless Chromium. Without one the test is skipped, with the reason; with
// TASKBENCH_BROWSER=require in the environment that is a failure.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const why = "no chromium and no google-chrome on PATH: the page was not looked at in a browser"
		if os.Getenv("TASKBENCH_BROWSER") == "require" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// complaints gathers whatever the browser has to say against the page, and what it asks others for.
type complaints struct {
	mu   sync.Mutex
	said []string
}

func (c *complaints) listen(ctx context.Context) error {
	return chromedp.Listen(ctx, func(ev any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := ev.(type) {
		case *cdruntime.EventConsoleAPICalled:
			if e.Type == cdruntime.ConsoleAPICalledTypeError || e.Type == cdruntime.ConsoleAPICalledTypeWarning {
				said := "console: " + string(e.Type)
				for _, arg := range e.Args {
					said += " " + arg.Description + string(arg.Value)
				}
				c.said = append(c.said, said)
			}
		case *cdruntime.EventExceptionThrown:
			c.said = append(c.said, "exception: "+e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				c.said = append(c.said, fmt.Sprintf("log: %s %s", e.Entry.Level, e.Entry.Text))
			}
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file://") || !strings.HasSuffix(e.Request.URL, "/report.html") {
				c.said = append(c.said, "request: "+e.Request.URL)
			}
		}
	})
}

func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said
	c.said = nil
	return said
}

// seenPage is what the page says of itself in the browser.
type seenPage struct {
	Page, Window   float64 // widths
	Tables, Charts int     // that take up room
	Small          float64 // the smallest text of a chart, in pixels
	Background     string
	Ink            string // of the first chart's text
	H1             string
	Faint          []string // texts whose contrast to their background is less than 4.5:1
}

const lookAtPage = `(() => {
const room = e => { const r = e.getBoundingClientRect(); return r.width > 40 && r.height > 20 };
const lum = c => { const [r,g,b] = c.map(v => { v /= 255; return v <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4 }); return .2126*r+.7152*g+.0722*b };
const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length == 3 || c[3] == 1) return c } return [255,255,255] };
const faint = [];
for (const e of document.querySelectorAll('main *')) {
  const text = [...e.childNodes].filter(n => n.nodeType == 3).map(n => n.textContent.trim()).join('');
  if (!text || !e.checkVisibility()) continue;
  const style = getComputedStyle(e), svg = e.closest('svg');
  const a = lum(rgb(svg ? style.fill : style.color)), b = lum(back(svg ? svg.parentElement : e));
  const ratio = (Math.max(a,b)+.05)/(Math.min(a,b)+.05);
  if (ratio < 4.5) faint.push(ratio.toFixed(2)+' '+text.slice(0,40));
}
const texts = [...document.querySelectorAll('svg.chart text')].filter(e => e.checkVisibility());
return {Page: document.documentElement.scrollWidth, Window: innerWidth,
Tables: [...document.querySelectorAll('table')].filter(e => e.checkVisibility() && room(e)).length,
Charts: [...document.querySelectorAll('svg.chart')].filter(e => e.checkVisibility() && room(e)).length,
Small: Math.min(...texts.map(e => e.getBoundingClientRect().height)),
Background: getComputedStyle(document.body).backgroundColor,
Ink: texts.length ? getComputedStyle(texts[0]).fill : '',
H1: document.querySelector('h1').innerText, Faint: faint};
})()`

// open has the browser tell of everything that goes wrong from here on.
func open(t *testing.T, ctx context.Context) *complaints {
	t.Helper()
	heard := &complaints{}
	err := heard.listen(ctx)
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, cdruntime.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

func TestPageInABrowser(t *testing.T) {
	ctx := browser(t)
	heard := open(t, ctx)
	keep := os.Getenv("TASKBENCH_KEEP") // a directory for screenshots, to look at
	all := fixtures()
	for _, name := range []string{"broker-kill", "many", "interrupted", "odd", "empty"} {
		path := filepath.Join(t.TempDir(), "report.html")
		if err := os.WriteFile(path, []byte(htmlOf(t, all[name])), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{400, 1400} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s/%d/%s", name, width, scheme), func(t *testing.T) {
					got := look(t, ctx, path, width, scheme)
					for _, s := range heard.take() {
						t.Error(s)
					}
					judge(t, got, all[name], width, scheme)
					if keep != "" {
						shoot(t, ctx, filepath.Join(keep, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)))
					}
				})
			}
		}
	}
}

// A page with one of everything that the test is there to find.
const badPage = `<!doctype html><html><body><main id="provenance"><h1 style="color:#999">faint</h1>
<div style="width:2000px">wide</div><img src="http://127.0.0.1:1/outside.png"/></main>
<script>console.error("planted"); throw new Error("thrown")</script></body></html>`

func TestTheBrowserTestSeesWhatItLooksFor(t *testing.T) {
	ctx := browser(t)
	heard := open(t, ctx)
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(badPage), 0o644); err != nil {
		t.Fatal(err)
	}
	got := look(t, ctx, path, 400, "light")
	if got.Page < 2000 {
		t.Errorf("a wide page is said to be %v wide", got.Page)
	}
	if len(got.Faint) != 1 || !strings.Contains(got.Faint[0], "faint") {
		t.Errorf("faint texts: %q", got.Faint)
	}
	said := strings.Join(heard.take(), "\n")
	for _, want := range []string{"planted", "exception", "request: http://127.0.0.1:1/outside.png"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s was not noticed: %s", want, said)
		}
	}
}

func look(t *testing.T, ctx context.Context, path string, width int64, scheme string) seenPage {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate("file://"+path), chromedp.WaitReady(chromedp.CSS("#provenance")))
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[seenPage](lookAtPage))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func judge(t *testing.T, got seenPage, r harness.Result, width int64, scheme string) {
	t.Helper()
	if got.Page > got.Window || got.Window != float64(width) {
		t.Errorf("the page is %v wide in a window of %v", got.Page, got.Window)
	}
	if got.H1 != Verdict(r) {
		t.Errorf("the heading is %q", got.H1)
	}
	if dark := got.Background == "rgb(17, 21, 27)"; dark != (scheme == "dark") {
		t.Errorf("the background is %s", got.Background)
	}
	if len(got.Faint) > 0 {
		t.Errorf("hard to read: %s", strings.Join(got.Faint, "; "))
	}
	tables, charts := len(tablesOf(classesOf(groupsOf(r)))), 0
	for _, d := range drawings(r) {
		charts += min(firstPanels, len(d.Panels))
	}
	if got.Tables < tables {
		t.Errorf("%d tables are to be seen, want at least %d", got.Tables, tables)
	}
	if got.Charts != charts {
		t.Errorf("%d charts are to be seen, want %d", got.Charts, charts)
	}
	if charts > 0 && got.Small < 8 {
		t.Errorf("text of a chart is only %.1f pixels high", got.Small)
	}
	if light := got.Ink == "rgb(27, 36, 48)"; charts > 0 && light != (scheme == "light") {
		t.Errorf("the charts are drawn in %s", got.Ink)
	}
}

func shoot(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}
