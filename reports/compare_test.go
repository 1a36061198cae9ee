package reports

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"taskbench/harness"
)

// rank returns the places and cells of the class with the durability.
func rank(t *testing.T, r harness.Result, durability string) []string {
	t.Helper()
	for _, c := range classesOf(groupsOf(r)) {
		if c.Durability == durability {
			var s []string
			for _, row := range c.Rows {
				s = append(s, row.Rank+" "+row.Label)
			}
			return s
		}
	}
	t.Fatalf("no class %s", durability)
	return nil
}

func timed(broker, durability string, repeat int, p99 float64) harness.Cell {
	return harness.Cell{Broker: broker, Durability: durability, Repeat: repeat, Outcome: harness.Pass, Latency: map[string]harness.Latency{endToEnd: {P50: p99 / 4, P99: p99, Max: p99, Count: 100}}}
}

func TestOnlyEqualDurabilityIsRankedAndOnlyShownDifferencesCount(t *testing.T) {
	r := run("x", "", harness.Pass,
		timed("slow", "fsync", 1, 0.30), timed("slow", "fsync", 2, 0.32), timed("slow", "fsync", 3, 0.31),
		timed("fast", "fsync", 1, 0.10), timed("fast", "fsync", 2, 0.12), timed("fast", "fsync", 3, 0.11),
		timed("near", "fsync", 1, 0.118), timed("near", "fsync", 2, 0.13), timed("near", "fsync", 3, 0.125),
		timed("cheat", "memory", 1, 0.01), timed("cheat", "memory", 2, 0.01))
	if got, want := rank(t, r, "fsync"), []string{"~1 fast", "~1 near", "3 slow"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := rank(t, r, "memory"), []string{"– cheat"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	r.Cells[3].Outcome = harness.Fail // one repeat of fast
	if got, want := rank(t, r, "fsync"), []string{"1 near", "2 slow", "– fast"}; !slices.Equal(got, want) {
		t.Errorf("with a failure: got %v, want %v", got, want)
	}

	once := run("x", "", harness.Pass, timed("slow", "fsync", 1, 9), timed("fast", "fsync", 1, 0.1))
	if got, want := rank(t, once, "fsync"), []string{"~ fast", "~ slow"}; !slices.Equal(got, want) {
		t.Errorf("with one repeat: got %v, want %v", got, want)
	}
	if ws := warningsOf(once); len(ws) != 1 || !strings.Contains(ws[0].Text, "2 cells ran only once") {
		t.Errorf("warnings: %v", ws)
	}
}

func TestNumbersOfVoidCellsDoNotCount(t *testing.T) {
	r := run("x", "", harness.Void, timed("a", "fsync", 1, 0.1), timed("a", "fsync", 2, 99))
	r.Cells[1].Outcome = harness.Void
	g := groupsOf(r)[0]
	if s := g.stat(tailLatency); s.N != 1 || s.High != 0.1 {
		t.Errorf("%+v", s)
	}
	var b bytes.Buffer
	if err := GoBench(&b, r); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\nBenchmark"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestWhatWasNotSeenIsNotSaidToHaveFailed(t *testing.T) {
	open := harness.Expectation{Expect: "recovery.first_completion < 1s", Undecided: true, Why: "there was no fault"}
	a, b := timed("a", "fsync", 1, 0.1), timed("a", "fsync", 2, 0.1)
	a.Expectations, b.Expectations = []harness.Expectation{open}, []harness.Expectation{open}
	a.Outcome, b.Outcome = harness.Undecided, harness.Undecided
	if got := failing(run("x", "", harness.Undecided, a, b)); len(got) != 1 || got[0].Word != "not shown" {
		t.Errorf("%+v", got)
	}
	a.Expectations[0].Undecided, a.Outcome = false, harness.Fail
	if got := failing(run("x", "", harness.Fail, a, b)); len(got) != 1 || got[0].Word != "not held" {
		t.Errorf("a failure before an undecided repeat: %+v", got)
	}
	var junit bytes.Buffer
	if err := JUnit(&junit, run("x", "", harness.Fail, a, b)); err != nil {
		t.Fatal(err)
	}
	if s := junit.String(); !strings.Contains(s, `tests="4" failures="2" errors="2" skipped="0"`) {
		t.Error(s)
	}
}

func TestStat(t *testing.T) {
	if s := statOf(nil); s.N != 0 || !math.IsNaN(s.Ratio(s)) {
		t.Errorf("%+v", s)
	}
	if s := statOf([]float64{4, 1, 3, 2}); s.Median != 2.5 || s.Low != 1 || s.High != 4 || s.N != 4 {
		t.Errorf("%+v", s)
	}
	a, b := statOf([]float64{1, 2}), statOf([]float64{2, 3})
	if a.Differs(b) || !a.Differs(statOf([]float64{2.1, 3})) || a.Differs(statOf([]float64{9})) {
		t.Error("ranges that touch differ, or ranges apart do not, or one value shows a difference")
	}
}

func TestLabelsSayNoMoreThanTellsCellsApart(t *testing.T) {
	a := steadyCell(redisAlways, "prefork", 1)
	b := a
	b.Acks = "early"
	c := steadyCell(rabbitQuorum, "prefork", 1)
	c.Lab = "embedded"
	var got []string
	for _, g := range groupsOf(run("x", "", harness.Pass, a, b, c)) {
		got = append(got, g.Label)
	}
	want := []string{"rabbitmq:quorum · prefork", "redis:aof-always · prefork · acks early", "redis:aof-always · prefork · acks late"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if ws := warningsOf(run("x", "", harness.Pass, a, c)); !slices.ContainsFunc(ws, func(w warning) bool { return strings.Contains(w.Text, "different labs") }) {
		t.Errorf("no warning of different labs: %v", ws)
	}
}

func TestBenchLinesAreReadByTheirOwnReader(t *testing.T) {
	for name, r := range fixtures() {
		var b bytes.Buffer
		if err := GoBench(&b, r); err != nil {
			t.Fatal(err)
		}
		reader := benchfmt.NewReader(&b, name)
		lines := 0
		for reader.Scan() {
			switch rec := reader.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Errorf("%s: %v", name, rec)
			case *benchfmt.Result:
				lines++
				if name == "broker-kill" {
					p99, ok := rec.Value("p99-sec/op")
					if rss, ok2 := rec.Value("RSS-B"); !ok || !ok2 || p99 < 0.03 || p99 > 0.2 || rss < 1<<20 {
						t.Errorf("%s: p99 %v, RSS %v", rec.Name, p99, rss)
					}
					if !strings.Contains(string(rec.Name), "/broker=redis/") && !strings.Contains(string(rec.Name), "/broker=rabbitmq/") {
						t.Errorf("name %s", rec.Name)
					}
					if got := rec.GetConfig("seed"); got != "7" {
						t.Errorf("seed %q", got)
					}
				}
			}
		}
		if err := reader.Err(); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, c := range r.Cells {
			if measured(c) {
				want++
			}
		}
		if lines != want {
			t.Errorf("%s: %d lines, want %d", name, lines, want)
		}
	}
}

func TestDiff(t *testing.T) {
	a := fixtures()["steady"]
	if d := Diff(a, a); d.Changed() || len(d.Notes) != 0 || len(d.Cells) != 4 {
		t.Errorf("a result differs from itself: %+v", d)
	}
	d := Diff(a, slower())
	if !d.Changed() {
		t.Error("no change was seen")
	}
	if !slices.Equal(d.OnlyA, []string{"rabbitmq:quorum · prefork"}) || !slices.Equal(d.OnlyB, []string{"sqlite:wal · goroutine"}) {
		t.Errorf("only before %v, only after %v", d.OnlyA, d.OnlyB)
	}
	if !slices.Contains(d.Notes, "seed: 7 → 8") {
		t.Errorf("notes %v", d.Notes)
	}
	shown := map[string]bool{}
	for _, c := range d.Cells {
		for _, m := range c.Metrics {
			shown[c.Cell+" "+m.Metric] = m.Shown
		}
	}
	for what, want := range map[string]bool{
		"rabbitmq:quorum · goroutine p99": true, "rabbitmq:quorum · goroutine completed/s": false,
		"redis:aof-always · goroutine p99": false, // one repeat of three is slower
		"redis:aof-always · prefork lost":  true, "redis:aof-always · goroutine lost": false,
	} {
		if got, ok := shown[what]; !ok || got != want {
			t.Errorf("%s: shown %v, want %v", what, got, want)
		}
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
	if e := Diff(run("x", "", harness.Undecided), a); len(e.OnlyB) != 4 || !e.Changed() {
		t.Errorf("%+v", e)
	}
}
