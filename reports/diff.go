package reports

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"taskbench/harness"
	"taskbench/reports/units"
)

// A Comparison is two results, cell by cell.
type Comparison struct {
	Cells []CellChange `json:"cells"`
	OnlyA []string     `json:"only_a"` // cells that the other result does not have
	OnlyB []string     `json:"only_b"`
	Notes []string     `json:"notes"` // conditions that differ: the numbers then compare these, too
}

// A CellChange is one cell in two results.
type CellChange struct {
	Cell     string          `json:"cell"`
	OutcomeA harness.Outcome `json:"outcome_a"`
	OutcomeB harness.Outcome `json:"outcome_b"`
	Metrics  []Change        `json:"metrics"`
}

// A Change is one metric of one cell in two results, over the repeats of each.
type Change struct {
	Metric string  `json:"metric"`
	A      Stat    `json:"a"`
	B      Stat    `json:"b"`
	Ratio  float64 `json:"ratio"` // of the medians, B to A; 0 where there is none
	Shown  bool    `json:"shown"` // the repeats do not overlap; for counts, the counts are not the same
	metric Metric
}

var diffed = []Metric{completedRate, medianLatency, tailLatency, lost, duplicated, firstCompletion, backlogDrained, memory}

// Diff compares the cells that two results share: by broker, variant, pool, system, workload and what was broken, and by all of
// their settings where that names several. Conditions in which the results differ are noted.
func Diff(a, b harness.Result) Comparison {
	c := Comparison{Cells: []CellChange{}, OnlyA: []string{}, OnlyB: []string{}, Notes: []string{}}
	as, bs := groupsOf(a), groupsOf(b)
	same := matcher(as, bs)
	for _, ga := range as {
		i := slices.IndexFunc(bs, func(gb group) bool { return same(ga.identity) == same(gb.identity) })
		if i < 0 {
			c.OnlyA = append(c.OnlyA, ga.Label)
			continue
		}
		c.Cells = append(c.Cells, cellChange(ga, bs[i]))
	}
	for _, gb := range bs {
		if !slices.ContainsFunc(as, func(ga group) bool { return same(ga.identity) == same(gb.identity) }) {
			c.OnlyB = append(c.OnlyB, gb.Label)
		}
	}
	before := append([]pair{{"taskbench", a.Provenance.Version}}, conditions(a)...)
	after := append([]pair{{"taskbench", b.Provenance.Version}}, conditions(b)...)
	for _, p := range before {
		i := slices.IndexFunc(after, func(q pair) bool { return q.Name == p.Name })
		if i >= 0 && after[i].Value != p.Value {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s → %s", p.lower(), p.Value, after[i].Value))
		}
	}
	return c
}

// matcher returns what two cells must have in common to be compared.
func matcher(as, bs []group) func(identity) identity {
	coarse := func(k identity) identity {
		return identity{Workload: k.Workload, Under: k.Under, Broker: k.Broker, Variant: k.Variant, Pool: k.Pool, System: k.System}
	}
	for _, gs := range [][]group{as, bs} {
		seen := map[identity]bool{}
		for _, g := range gs {
			if seen[coarse(g.identity)] {
				return func(k identity) identity { return k }
			}
			seen[coarse(g.identity)] = true
		}
	}
	return coarse
}

func cellChange(a, b group) CellChange {
	c := CellChange{Cell: b.Label, OutcomeA: a.Outcome(), OutcomeB: b.Outcome(), Metrics: []Change{}}
	for _, m := range diffed {
		ch := Change{Metric: m.Name, A: a.stat(m), B: b.stat(m), metric: m}
		if ch.A.N == 0 && ch.B.N == 0 {
			continue
		}
		if r := ch.A.Ratio(ch.B); !math.IsNaN(r) {
			ch.Ratio = r
		}
		ch.Shown = ch.A.Differs(ch.B)
		if m.Counted && ch.A.N > 0 && ch.B.N > 0 {
			ch.Shown = ch.A.Low > ch.B.High || ch.A.High < ch.B.Low
		}
		c.Metrics = append(c.Metrics, ch)
	}
	return c
}

// Changed tells whether anything was shown to differ: a metric, an outcome, or the cells themselves.
func (c Comparison) Changed() bool {
	return len(c.OnlyA)+len(c.OnlyB) > 0 || slices.ContainsFunc(c.Cells, func(cell CellChange) bool {
		return cell.OutcomeA != cell.OutcomeB || slices.ContainsFunc(cell.Metrics, func(m Change) bool { return m.Shown })
	})
}

// verdict says in a word or a ratio what became of a metric.
func (c Change) verdict() string {
	switch {
	case c.A.N == 0:
		return "only after"
	case c.B.N == 0:
		return "only before"
	case !c.Shown:
		return "~"
	case c.metric.Counted:
		better := c.B.Median < c.A.Median
		return fmt.Sprintf("%+.0f %s", c.B.Median-c.A.Median, map[bool]string{true: "better", false: "worse"}[better])
	case c.Ratio == 0:
		return "changed"
	}
	better := (c.Ratio > 1) == c.metric.Higher
	return units.Change(c.Ratio) + map[bool]string{true: " better", false: " worse"}[better]
}

// Text writes the comparison as one aligned table, "~" where the repeats overlap and no difference was shown.
func (c Comparison) Text(w io.Writer, o TextOptions) error {
	t := &terminal{TextOptions: o}
	rows := [][]string{{"cell", "metric", "before", "after", "change"}}
	for _, cell := range c.Cells {
		name := cell.Cell
		if cell.OutcomeA != cell.OutcomeB {
			rows = append(rows, []string{name, "outcome", string(cell.OutcomeA), string(cell.OutcomeB), "changed"})
			name = ""
		}
		for _, m := range cell.Metrics {
			rows = append(rows, []string{name, m.Metric, m.spell(m.A), m.spell(m.B), m.verdict()})
			name = ""
		}
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, s := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	for i, r := range rows {
		if len(rows) == 1 {
			break
		}
		s := line(r, widths)
		switch {
		case i == 0:
			s = t.paint(bold, s)
		case strings.HasSuffix(r[4], "better"):
			s = t.paint(green, s)
		case strings.HasSuffix(r[4], "worse"):
			s = t.paint(red, s)
		}
		t.b.WriteString(s + "\n")
	}
	if len(c.Cells) == 0 {
		t.b.WriteString("the results have no cell in common\n")
	}
	for _, n := range c.Notes {
		t.b.WriteString(t.paint(yellow, "differs") + "  " + n + "\n")
	}
	for _, n := range c.OnlyA {
		t.b.WriteString("only before: " + n + "\n")
	}
	for _, n := range c.OnlyB {
		t.b.WriteString("only after: " + n + "\n")
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

func (c Change) spell(s Stat) string {
	if s.N == 0 {
		return units.None
	}
	return c.metric.Spell(s.Median)
}
