package reports

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/harness"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got.Bytes(), want) {
		return
	}
	g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			at := func(lines []string) string {
				if i < len(lines) {
					return lines[i]
				}
				return "(nothing)"
			}
			t.Fatalf("%s, line %d, is not as it was (go test -update writes it anew)\ngot  %s\nwant %s", name, i+1, at(g), at(w))
		}
	}
}

func TestGoldens(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".summary.md", func(w io.Writer) error { return Summary(w, r) })
			golden(t, name+".junit.xml", func(w io.Writer) error { return JUnit(w, r) })
			golden(t, name+".bench.txt", func(w io.Writer) error { return GoBench(w, r) })
			golden(t, name+".txt", func(w io.Writer) error {
				return Text(w, r, TextOptions{Width: 110, Report: "runs/x/report.html"})
			})
		})
	}
	kill := fixtures()["broker-kill"]
	golden(t, "narrow.txt", func(w io.Writer) error { return Text(w, kill, TextOptions{Width: 60}) })
	golden(t, "color.txt", func(w io.Writer) error { return Text(w, kill, TextOptions{Width: 120, Color: true}) })
	golden(t, "diff.txt", func(w io.Writer) error { return Diff(fixtures()["steady"], slower()).Text(w, TextOptions{Width: 100}) })
}

// slower is the steady fixture in another version: rabbitmq is slower in all repeats, redis only in one, one cell
// is gone and one is new, and one lost tasks.
func slower() harness.Result {
	r := fixtures()["steady"]
	r.Provenance.Version, r.Seed = "v0.2.0 (77aa001)", 8
	var kept []harness.Cell
	for _, c := range r.Cells {
		l := c.Latency[endToEnd]
		switch {
		case c.Broker == "rabbitmq" && c.Pool == "prefork":
			continue
		case c.Broker == "rabbitmq":
			l.P50, l.P99 = l.P50*1.3, l.P99*3.5
		case c.Repeat == 3:
			l.P99 *= 2
		}
		if c.Broker == "redis" && c.Pool == "prefork" {
			c.Counts.Lost, c.Outcome = 40+c.Repeat, harness.Fail
		}
		c.Latency = map[string]harness.Latency{endToEnd: l}
		kept = append(kept, c)
	}
	r.Cells = append(kept, steadyCell(sqliteFile, "goroutine", 1))
	return r
}

func TestTextStaysWithinItsWidth(t *testing.T) {
	for name, r := range fixtures() {
		for _, width := range []int{50, 80, 120} {
			var b bytes.Buffer
			if err := Text(&b, r, TextOptions{Width: width}); err != nil {
				t.Fatal(err)
			}
			for _, l := range strings.Split(b.String(), "\n") {
				// A word that is longer than the line cannot be broken, and a table has at least two columns.
				if n := len([]rune(l)); n > width && len(strings.Fields(l)) > 2 {
					t.Errorf("%s: %d columns of %d: %s", name, n, width, l)
				}
			}
		}
	}
}

func TestColorChangesNoText(t *testing.T) {
	r := fixtures()["broker-kill"]
	var plain, color bytes.Buffer
	if err := Text(&plain, r, TextOptions{Width: 100}); err != nil {
		t.Fatal(err)
	}
	if err := Text(&color, r, TextOptions{Width: 100, Color: true}); err != nil {
		t.Fatal(err)
	}
	s := color.String()
	for _, code := range []string{red, green, yellow, faint, bold, "0"} {
		s = strings.ReplaceAll(s, "\x1b["+code+"m", "")
	}
	if s != plain.String() {
		t.Errorf("colour changed the text:\n%s\n%s", s, plain.String())
	}
	if color.Len() == plain.Len() {
		t.Error("nothing was coloured")
	}
}
