package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/reports/units"
)

// samples are one panel of each kind, with everything in it that a panel can have.
func samples() []Panel {
	x := make([]float64, 60)
	a, b, offered := make([]float64, 60), make([]float64, 60), make([]float64, 60)
	low, high := make([]float64, 60), make([]float64, 60)
	for i := range x {
		x[i] = float64(i) / 2
		offered[i] = 200
		a[i] = 195 + 10*math.Sin(float64(i)/3)
		b[i] = 170 + 20*math.Sin(float64(i)/5)
		if i > 20 && i < 32 {
			a[i] = 0
		}
		low[i], high[i] = max(0, a[i]-12), a[i]+15
	}
	return []Panel{
		{Title: "redis:memory", Unit: "tasks/s", Alt: "Throughput of redis:memory over 30 s", Body: Lines{
			Series: []Line{{Name: "offered", Quiet: true, X: x, Y: offered}, {Name: "goroutine", Series: 0, X: x, Y: a, Low: low, High: high}, {Name: "prefork", Series: 1, X: x, Y: b}},
			Bands:  []Band{{10, 15.5, "kill broker"}, {11, 18, "latency broker"}}, Spell: units.Number}},
		{Title: "a broker with a name that is far too long to be set in one line:variant", Unit: "percentiles", Alt: "Latency", Body: Ranges{
			Names: []Name{{"goroutine", 0}, {"prefork", 1}}, Rows: []Row{
				{"due → finish", []Mark{{0, 0.02, 0.04, 0.2, 1.3}, {1, 0.03, 0.05, 0.4, 0.4}}},
				{"confirm → start (queue wait)", []Mark{{0, 0, 0.0002, 0.004, 0.1}, {1, 0.001, 0.002, 0.02, 0.3}}}}}},
		{Title: "Lost and duplicated", Unit: "tasks", Alt: "Losses", Body: Bars{Names: []string{"lost", "duplicated"},
			Rows: []BarRow{{"redis:memory · prefork", []int{1204, 3}}, {"rabbitmq:quorum · prefork", []int{0, 17}}}}},
		{Title: "Memory", Unit: "RSS", Alt: "Memory", Body: Lines{Bytes: true, Spell: units.Bytes,
			Series: []Line{{Name: "broker", X: []float64{0, 30}, Y: []float64{20 << 20, 90 << 20}}}}},
	}
}

func TestSVGIsWellFormedAndTakesThePagesColours(t *testing.T) {
	for _, p := range samples() {
		s, err := SVG(p)
		if err != nil {
			t.Fatal(err)
		}
		dec := xml.NewDecoder(strings.NewReader(s))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", p.Title, err)
			}
		}
		if rest := hexColor.FindString(strings.Join(strings.Split(s, "var(--chart-"), "")); rest == "" {
			t.Errorf("%s: no fallback colour", p.Title)
		}
		for _, part := range strings.Split(s, "#")[1:] {
			if !strings.HasPrefix(part[6:], ")") {
				t.Errorf("%s: a colour outside a variable: #%.20s", p.Title, part)
			}
		}
		for _, want := range []string{`role="img"`, `aria-label="` + p.Alt + `"`, "--chart-ink", `viewBox="0 0 420 `} {
			if !strings.Contains(s, want) {
				t.Errorf("%s: no %s in %.200s", p.Title, want, s)
			}
		}
		for _, bad := range []string{"http:", "https:", "url(", "<?xml", "font-family"} {
			if strings.Contains(s, bad) {
				t.Errorf("%s: %s in the SVG", p.Title, bad)
			}
		}
	}
}

func TestEveryRoleIsFoundAgain(t *testing.T) {
	for _, r := range roles() {
		hex := []byte("#000000")
		for i, v := range []uint8{r.rgb.R, r.rgb.G, r.rgb.B} {
			v -= min(v, 1) // as the SVG writer rounds
			hex[1+2*i], hex[2+2*i] = "0123456789ABCDEF"[v>>4], "0123456789ABCDEF"[v&15]
		}
		if got := variable(string(hex)); !strings.HasPrefix(got, "var(--chart-"+r.name+",") {
			t.Errorf("%s became %s", r.name, got)
		}
	}
}

func TestPNGHasTwoPixelsAPointAndAWhiteGround(t *testing.T) {
	var buf bytes.Buffer
	if err := PNG(&buf, "Samples", samples()); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("TASKBENCH_KEEP"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "samples.png"), buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	img, err := png.Decode(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Bounds().Dx(), int(2*(2*14+2*width+16)); got != want {
		t.Errorf("%d pixels wide, want %d", got, want)
	}
	if r, g, b, a := img.At(3, 3).RGBA(); r&g&b&a != 0xffff {
		t.Errorf("the corner is not white: %x %x %x %x", r, g, b, a)
	}
	if err := PNG(io.Discard, "Nothing", nil); err == nil {
		t.Error("a chart without panels was drawn")
	}
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	p := Panel{Title: "broken", Body: Lines{Spell: units.Number, Series: []Line{{X: []float64{0, 1}, Y: []float64{0, math.NaN()}}}}}
	if _, err := SVG(p); err != nil && !strings.Contains(err.Error(), "broken") {
		t.Errorf("the error does not name the chart: %v", err)
	}
	if err := guard(p, func() { panic("no range") }); err == nil || !strings.Contains(err.Error(), `"broken": no range`) {
		t.Errorf("a panic became %v", err)
	}
}

func TestEmptyBodiesAreDrawn(t *testing.T) {
	for _, b := range []Body{Lines{Spell: units.Number}, Ranges{}, Bars{}, Ranges{Names: []Name{{"a", 0}}, Rows: []Row{{"x", []Mark{{}}}}}} {
		if _, err := SVG(Panel{Title: "empty", Body: b}); err != nil {
			t.Error(err)
		}
	}
}

func TestTicks(t *testing.T) {
	labels := func(low, high float64, spell func(float64) string) (s []string) {
		for _, tick := range (even{about: 5, unit: 1, spell: spell}).Ticks(low, high) {
			s = append(s, tick.Label)
		}
		return s
	}
	if got := strings.Join(labels(0, 210, units.Number), " "); got != "0 50 100 150 200" {
		t.Errorf("0 to 210: %s", got)
	}
	mem := Lines{Bytes: true, Spell: units.Bytes, YMax: 90 << 20}.yTicks()
	if top := mem.top(90 << 20); top != 100<<20 {
		t.Errorf("an axis for 90 MiB ends at %s", units.Bytes(top))
	}
	var log []string
	for _, tick := range (decades{units.Seconds}).Ticks(0.0009, 11) {
		log = append(log, tick.Label)
	}
	if got := strings.Join(log, ", "); got != "1 ms, 10 ms, 100 ms, 1 s, 10 s" {
		t.Errorf("decades: %s", got)
	}
}

// A few faults are named; a crowd of them is counted, and each is shaded.
func TestACrowdOfBandsIsCounted(t *testing.T) {
	for _, n := range []int{MostNamed, MostNamed + 1, 76} {
		var bands []Band
		for i := range n {
			bands = append(bands, Band{float64(i), float64(i) + 0.5, fmt.Sprintf("kill worker-%d", i)})
		}
		s, err := SVG(Panel{Title: "t", Alt: "a", Body: Lines{XMax: 100, Bands: bands, Spell: units.Number, Series: []Line{{Name: "x", X: []float64{0, 100}, Y: []float64{1, 2}}}}})
		if err != nil {
			t.Fatal(err)
		}
		named, counted := strings.Contains(s, "kill worker-1"), strings.Contains(s, fmt.Sprintf("%d faults", n))
		if crowd := n > MostNamed; named == crowd || counted != crowd {
			t.Errorf("%d faults: named %v, counted %v", n, named, counted)
		}
	}
}
