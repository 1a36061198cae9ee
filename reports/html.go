package reports

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"taskbench/harness"
	"taskbench/reports/chart"
	"taskbench/reports/units"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.New("page.tmpl").Funcs(template.FuncMap{
	"seconds":  units.Seconds,
	"count":    func(n int) string { return units.Count(n) },
	"count64":  func(n int64) string { return units.Count(n) },
	"number":   units.Number,
	"bytes":    func(b int64) string { return units.Bytes(float64(b)) },
	"stage":    stageTitle,
	"symbol":   symbol,
	"survives": survives,
	"orCalm":   orCalm,
	"none":     func() string { return units.None },
}).ParseFS(pageFiles, "page/*.tmpl"))

// symbol says an outcome without colour.
func symbol(o harness.Outcome) string {
	switch o {
	case harness.Pass:
		return "✓"
	case harness.Fail:
		return "✗"
	case harness.Undecided:
		return "?"
	case harness.Void:
		return "∅"
	}
	return "–"
}

// A sheet is what the template shows.
type sheet struct {
	Result       harness.Result
	Verdict      string
	Style        template.CSS
	Tiles        []pair
	Tables       []tableView
	Matrix       *matrix // nil where there is nothing to set beside each other
	Conditions   []pair
	Warnings     []warning
	Held, Broken []expected
	Charts       []chartView
	Cells        []cellView
	Provenance   []pair
}

// A tableView is the classes of one workload under one scenario, in one table so that their columns stand below each other.
type tableView struct {
	Workload, Under string
	Columns         []Metric
	Classes         []class
}

// Span is the number of the table's columns.
func (t tableView) Span() int { return 3 + len(t.Columns) }

// Name is the first line of a row's label and Rest the second.
func (r row) Name() string { return r.broker() }

// Rest is what the label says beside the broker.
func (r row) Rest() string {
	return strings.TrimPrefix(strings.TrimPrefix(r.Label, r.broker()), " · ")
}

func tablesOf(classes []class) []tableView {
	var ts []tableView
	for _, c := range classes {
		if n := len(ts); n == 0 || ts[n-1].Workload != c.Workload || ts[n-1].Under != c.Under {
			ts = append(ts, tableView{Workload: c.Workload, Under: c.Under, Columns: c.Columns})
		}
		t := &ts[len(ts)-1]
		t.Classes = append(t.Classes, c)
	}
	return ts
}

// An expected is one expectation of one group with how it went in each repeat.
type expected struct {
	Cell, Expect string
	Held, Of     int
	Values       string
	Why          string
	Got          string // what the last repeat that did not hold met with
	Outcome      harness.Outcome
}

// A chartView is one chart of the page; the panels beyond the first few are folded away.
type chartView struct {
	drawing
	First, More []template.HTML
	Broken      string // why it could not be drawn
}

// firstPanels is how many panels of a chart are shown unfolded.
const firstPanels = 6

// HTML writes the report as one page that needs nothing from outside itself, no script among it.
func HTML(w io.Writer, r harness.Result) error {
	style, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return err
	}
	gs := groupsOf(r)
	p := sheet{
		Result: r, Verdict: Verdict(r), Style: template.CSS(style), Tiles: tiles(r),
		Tables: tablesOf(classesOf(gs)), Conditions: conditions(r), Warnings: warningsOf(r), Provenance: provenance(r), Cells: cellViews(gs),
		Matrix: matrixOf(gs),
	}
	for _, e := range expectedOf(gs) {
		if e.Held == e.Of {
			p.Held = append(p.Held, e)
		} else {
			p.Broken = append(p.Broken, e)
		}
	}
	for _, d := range drawings(r) {
		p.Charts = append(p.Charts, chartOf(d))
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("fill the page: %w", err)
	}
	return nil
}

// Wide tells whether a chart needs the page's whole width.
func (c chartView) Wide() bool { return len(c.First) > 1 }

func chartOf(d drawing) chartView {
	v := chartView{drawing: d}
	for i, panel := range d.Panels {
		svg, err := chart.SVG(panel)
		if err != nil {
			v.Broken = err.Error()
			continue
		}
		if i < firstPanels {
			v.First = append(v.First, template.HTML(svg))
		} else {
			v.More = append(v.More, template.HTML(svg))
		}
	}
	return v
}

// tiles are the run's few figures that are asked for first.
func tiles(r harness.Result) []pair {
	var n harness.Counts
	for _, c := range r.Cells {
		if measured(c) {
			n.Acknowledged += c.Counts.Acknowledged
			n.Executed += c.Counts.Executed
			n.Lost += c.Counts.Lost
			n.Duplicated += c.Counts.Duplicated
		}
	}
	return []pair{
		{"cells passed", fmt.Sprintf("%d of %d", tally(r.Cells)[harness.Pass], len(r.Cells))},
		{"tasks acknowledged", units.Count(n.Acknowledged)},
		{"tasks executed", units.Count(n.Executed)},
		{"tasks lost", units.Count(n.Lost)},
		{"executions repeated", units.Count(n.Duplicated)},
	}
}

// expectedOf gathers the expectations of each group over its repeats.
func expectedOf(gs []group) []expected {
	var es []expected
	for _, g := range gs {
		at := map[string]int{}
		for _, c := range g.Cells {
			if !measured(c) {
				continue
			}
			for _, e := range c.Expectations {
				i, known := at[e.Expect]
				if !known {
					i = len(es)
					at[e.Expect] = i
					es = append(es, expected{Cell: g.Label, Expect: e.Expect, Outcome: harness.Pass})
				}
				x := &es[i]
				x.Of++
				if x.Values != "" {
					x.Values += "; "
				}
				x.Values += value(e.Value)
				if e.Held {
					x.Held++
					continue
				}
				switch {
				case c.Outcome != harness.Undecided && !e.Undecided:
					x.Outcome, x.Got = harness.Fail, got(e)
				case x.Outcome != harness.Fail: // one repeat in which it did not hold outweighs those that show nothing
					x.Outcome, x.Got = harness.Undecided, got(e)
				}
				if e.Why != "" && !strings.Contains(x.Why, e.Why) {
					x.Why = strings.TrimPrefix(x.Why+"; "+e.Why, "; ")
				}
			}
		}
	}
	return es
}

// Word says whether the expectation held.
func (e expected) Word() string {
	word := "held"
	if e.Held < e.Of {
		word = "not held"
		if e.Outcome == harness.Undecided {
			word = "not shown"
		}
	}
	if e.Of == 1 {
		return word
	}
	if e.Held == 0 || e.Held == e.Of {
		return fmt.Sprintf("%s, %d of %d", word, e.Of, e.Of)
	}
	return fmt.Sprintf("%s, %d of %d", word, e.Of-e.Held, e.Of)
}
