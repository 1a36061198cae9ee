package reports

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/chart"
	"taskbench/reports/units"
)

// A drawing is one chart of a report: panels beside each other, one file name.
type drawing struct {
	File    string // without ending
	Heading string
	Caption string // how to read it
	Missing string // why there is nothing to draw; then there are no panels
	Panels  []chart.Panel
}

// drawings are the charts of a result, in the order in which a reader asks.
func drawings(r harness.Result) []drawing {
	var gs []group // those whose numbers count
	for _, g := range groupsOf(r) {
		g.Cells = slices.DeleteFunc(slices.Clone(g.Cells), func(c harness.Cell) bool { return !measured(c) })
		if len(g.Cells) > 0 {
			gs = append(gs, g)
		}
	}
	ds := []drawing{throughputs(gs), latencies(gs), memories(gs), losses(gs)}
	for i := range ds {
		if len(gs) == 0 {
			ds[i].Missing = "No cell has numbers that count."
		}
	}
	return ds
}

// byBroker splits the groups into those that share a panel: of one broker, and no more than can be told apart.
func byBroker(gs []group) [][]group {
	var sets [][]group
	for _, g := range gs {
		n := len(sets) - 1
		if n < 0 || sets[n][0].broker() != g.broker() || sets[n][0].Workload != g.Workload || sets[n][0].Under != g.Under || len(sets[n]) == chart.MaxSeries {
			sets = append(sets, nil)
			n++
		}
		sets[n] = append(sets[n], g)
	}
	return sets
}

// seriesOf gives each name its colour and dash, the same in every panel as long as there are enough of them.
func seriesOf(gs []group) func(set []group, i int) int {
	var names []string
	for _, g := range gs {
		if !slices.Contains(names, g.Short) {
			names = append(names, g.Short)
		}
	}
	return func(set []group, i int) int {
		if len(names) > chart.MaxSeries {
			return i
		}
		return slices.Index(names, set[i].Short)
	}
}

// heading names the panel of a set: the broker, and the workload and the scenario where they say something.
func heading(set []group) string {
	if len(set) == 1 {
		return set[0].Label
	}
	name := set[0].broker()
	if strings.Contains(set[0].Short, set[0].Workload) && set[0].Workload != "" {
		name += " · " + set[0].Workload
	}
	if strings.Contains(set[0].Short, orCalm(set[0].Under)) {
		name += " · " + orCalm(set[0].Under)
	}
	return name
}

// bandsOf are the faults of the cells in one panel: what the repeats and pools have in common is one band.
func bandsOf(set []group, end float64) []chart.Band {
	var bands []chart.Band
	for _, g := range set {
		for _, c := range g.Cells {
			for i, f := range c.Faults {
				label := strings.TrimSpace(f.Fault + " " + f.Node)
				to := f.Healed
				if to <= 0 {
					to, label = end, label+", never healed"
				}
				b := chart.Band{From: f.At, To: max(to, f.At), Label: label}
				if i < len(bands) && bands[i].Label == label {
					bands[i].From, bands[i].To = min(bands[i].From, b.From), max(bands[i].To, b.To)
				} else if !slices.ContainsFunc(bands, func(o chart.Band) bool { return o.Label == label && o.From <= b.To && b.From <= o.To }) {
					bands = append(bands, b)
				}
			}
		}
	}
	return bands
}

// bandsSaid spells the bands for who cannot see them.
func bandsSaid(bands []chart.Band) string {
	if len(bands) > chart.MostNamed {
		first, last := bands[0].From, bands[0].To
		for _, b := range bands {
			first, last = min(first, b.From), max(last, b.To)
		}
		return fmt.Sprintf(" %s between %s and %s.", units.Plural(len(bands), "fault"), units.Seconds(first), units.Seconds(last))
	}
	var parts []string
	for _, b := range bands {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", b.Label, units.Seconds(b.From), units.Seconds(b.To)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " Faults: " + list(parts) + "."
}

func latencies(gs []group) drawing {
	d := drawing{File: "latency", Heading: "Latency by stage",
		Caption: "Tasks due after the warm-up. A bar runs from the median (hollow end) to the 99th percentile (full end); the notch is the 90th, the whisker the maximum."}
	var bodies []chart.Ranges
	series := seriesOf(gs)
	for _, set := range byBroker(gs) {
		var all []harness.Cell
		body := chart.Ranges{}
		for i, g := range set {
			body.Names = append(body.Names, chart.Name{Text: g.Short, Series: series(set, i)})
			all = append(all, g.Cells...)
		}
		said := []string{}
		for _, stage := range stagesOf(all...) {
			row := chart.Row{Label: stageTitle(stage)}
			for i, g := range set {
				if m, ok := markOf(g, stage); ok {
					m.Series = series(set, i)
					row.Marks = append(row.Marks, m)
					if stage == endToEnd {
						said = append(said, fmt.Sprintf("%s median %s, 99th percentile %s", g.Short, units.Seconds(m.P50), units.Seconds(m.P99)))
					}
				}
			}
			if len(row.Marks) > 0 {
				body.Rows = append(body.Rows, row)
			}
		}
		if len(body.Rows) == 0 {
			continue
		}
		bodies = append(bodies, body)
		d.Panels = append(d.Panels, chart.Panel{Title: heading(set), Unit: "median to p99, p90 notched",
			Alt: fmt.Sprintf("Latency percentiles by stage of %s. From due to finish: %s.", heading(set), list(said))})
	}
	low, high := chart.Span(bodies...)
	for i := range bodies {
		bodies[i].Min, bodies[i].Max = low, high
		d.Panels[i].Body = bodies[i]
	}
	if len(d.Panels) == 0 {
		d.Missing = "No latency was recorded."
	}
	return d
}

// markOf is the median of each percentile over the repeats, and the greatest maximum.
func markOf(g group, stage string) (chart.Mark, bool) {
	var p50, p90, p99, most []float64
	for _, c := range g.Cells {
		if l, ok := c.Latency[stage]; ok && l.Count > 0 {
			p50, p90, p99, most = append(p50, l.P50), append(p90, l.P90), append(p99, l.P99), append(most, l.Max)
		}
	}
	return chart.Mark{P50: statOf(p50).Median, P90: statOf(p90).Median, P99: statOf(p99).Median, Max: statOf(most).High}, len(p50) > 0
}

// tried tells whether a cell had anything to lose.
func tried(c harness.Cell) bool { return c.Counts.Attempted > 0 }

func losses(gs []group) drawing {
	gs = slices.DeleteFunc(slices.Clone(gs), func(g group) bool { return !slices.ContainsFunc(g.Cells, tried) })
	rows := min(max(3, (len(gs)+2)/3), 12) // a panel: spread over the three that stand beside each other
	d := drawing{File: "losses", Heading: "Lost and duplicated tasks", Caption: "The worst repeat of each cell."}
	most, any := 0, false
	for from := 0; from < len(gs); from += rows {
		body := chart.Bars{Names: []string{"lost", "duplicated"}}
		var said []string
		for _, g := range gs[from:min(from+rows, len(gs))] {
			l, dup := int(g.stat(lost).High), int(g.stat(duplicated).High)
			body.Rows = append(body.Rows, chart.BarRow{Label: g.Label, Values: []int{l, dup}})
			said = append(said, fmt.Sprintf("%s lost %s and duplicated %s", g.Label, units.Count(l), units.Count(dup)))
			most = max(most, l, dup)
			any = any || l+dup > 0
		}
		title := "Tasks by cell"
		if len(gs) > rows {
			title = fmt.Sprintf("Cells %d to %d of %d", from+1, min(from+rows, len(gs)), len(gs))
		}
		d.Panels = append(d.Panels, chart.Panel{Title: title, Unit: "tasks, worst repeat", Alt: "Lost and duplicated tasks. " + strings.Join(said, "; ") + ".", Body: body})
	}
	for i := range d.Panels {
		body := d.Panels[i].Body.(chart.Bars)
		body.Max = float64(most)
		d.Panels[i].Body = body
	}
	switch {
	case len(gs) == 0:
		d.Missing = "No task was published."
	case !any:
		d.Caption = "Nothing was lost and nothing ran twice, in any repeat."
	}
	return d
}
