package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskbench/harness"
)

func htmlOf(t *testing.T, r harness.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// element is what a test asks of one element of a page.
type element struct {
	name  string
	attrs map[string]string
}

// parse reads a page strictly, as XML, which the page is on purpose: whatever is left open or not escaped is found.
func parse(page string) (elements []element, text string, err error) {
	dec := xml.NewDecoder(strings.NewReader(page))
	var b strings.Builder
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return elements, b.String(), nil
		}
		if err != nil {
			return nil, "", err
		}
		switch x := tok.(type) {
		case xml.StartElement:
			e := element{x.Name.Local, map[string]string{}}
			for _, a := range x.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			elements = append(elements, e)
		case xml.CharData:
			b.Write(x)
		}
	}
}

var fetches = regexp.MustCompile(`(?i)@import|url\(|expression\(`)

// outside lists what a page would fetch or run.
func outside(elements []element, page string) []string {
	var found []string
	for _, e := range elements {
		if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image"}, e.name) {
			found = append(found, "<"+e.name+">")
		}
		for name, v := range e.attrs {
			switch {
			case slices.Contains([]string{"src", "srcset", "action", "data", "poster", "background"}, name), strings.HasPrefix(name, "on"):
				found = append(found, name+"="+v)
			case name == "href" && (strings.Contains(v, ":") || strings.HasPrefix(v, "//")):
				found = append(found, "href="+v)
			case name == "style" && fetches.MatchString(v):
				found = append(found, "style="+v)
			}
		}
	}
	if style := page[strings.Index(page, "<style>"):strings.Index(page, "</style>")]; fetches.MatchString(style) || strings.Contains(style, "//") {
		found = append(found, "the style sheet fetches")
	}
	return found
}

func TestThePageIsWholeAndNeedsNothingElse(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			page := htmlOf(t, r)
			elements, text, err := parse(page)
			if err != nil {
				t.Fatal(err)
			}
			if found := outside(elements, page); len(found) > 0 {
				t.Errorf("the page is not self-contained: %v", found)
			}
			if strings.Contains(page, "ZgotmplZ") {
				t.Error("the template refused a value")
			}
			if strings.Contains(text, "<no value>") || strings.Contains(text, "%!") || strings.Contains(text, "NaN") {
				t.Error("the page shows a value that it does not have")
			}
			n := map[string]int{}
			ids := map[string]bool{}
			for _, e := range elements {
				n[e.name]++
				if id := e.attrs["id"]; id != "" && ids[id] {
					t.Errorf("two elements have the id %s", id)
				} else {
					ids[id] = true
				}
				if e.name == "th" && e.attrs["scope"] == "" {
					t.Error("a header cell without a scope")
				}
				if e.name == "svg" && (e.attrs["role"] != "img" || len(e.attrs["aria-label"]) < 20) {
					t.Errorf("a chart that says nothing to a reader who cannot see it: %v", e.attrs)
				}
				if href := e.attrs["href"]; strings.HasPrefix(href, "#") && !strings.Contains(page, `id="`+href[1:]+`"`) {
					t.Errorf("a link to %s, which is not there", href)
				}
			}
			if n["table"] != n["caption"] {
				t.Errorf("%d tables and %d captions", n["table"], n["caption"])
			}
			panels := 0
			for _, d := range drawings(r) {
				panels += len(d.Panels)
				if len(d.Panels) == 0 && !strings.Contains(text, d.Missing) {
					t.Errorf("the page does not say why there is no %s chart", d.File)
				}
			}
			if n["svg"] != panels {
				t.Errorf("%d charts, want %d", n["svg"], panels)
			}
			for _, want := range []string{Verdict(r), r.Provenance.Command, fmt.Sprint(r.Seed), r.Provenance.Kernel, "Conditions", "Warnings", "Expectations"} {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		})
	}
}

func TestThePageTestSeesWhatItLooksFor(t *testing.T) {
	for _, bad := range []string{`<img src="a.png"/>`, `<script>1</script>`, `<a href="https://example.org/">x</a>`, `<a href="//example.org/">x</a>`,
		`<p style="background:url(a.png)">x</p>`, `<p onclick="f()">x</p>`, `<style>@import "a.css";</style>`} {
		page := "<html><head><style></style></head><body>" + bad + "</body></html>"
		if strings.HasPrefix(bad, "<style>") {
			page = "<html><head>" + bad + "</head></html>"
		}
		elements, _, err := parse(page)
		if err != nil {
			t.Fatal(err)
		}
		if len(outside(elements, page)) == 0 {
			t.Errorf("nothing was found in %s", bad)
		}
	}
}

func TestThePageShowsEveryNumberThatMatters(t *testing.T) {
	_, text, err := parse(htmlOf(t, fixtures()["broker-kill"]))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1,204", "1,197–1,211", "62.3 ms", "67.2 MiB", "~", // comparison
		"Durability fsync", "Durability memory", "gone when the broker's process dies", // classes
		"not held, 3 of 3", "held, 3 of 3", "recovery.first_completion < 20s", // expectations
		"process 4121 is gone", "PING answered by a server with a new run id", "+12 ms", // faults with proof
		"appendfsync", "noeviction", "2 × concurrency 8", "200 tasks/s poisson", "rabbitmq 4.1.2, redis 7.0.15", "bench-1", // circumstances
		"90 % of the rate before", "confirm → start (queue wait)", "the first 20; 10 more are in result.json",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
