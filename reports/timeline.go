package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/chart"
	"taskbench/reports/units"
)

// points is how many of them a line has at most: what a panel can show, whatever the length of the run.
const points = 240

func throughputs(gs []group) drawing {
	d := drawing{File: "throughput", Heading: "Throughput over time",
		Caption: "Tasks a second, offered and completed. Lines are medians over the repeats, with their range shaded; shaded stretches are faults in force."}
	var bodies []chart.Lines
	top, series := 0.0, seriesOf(gs)
	for _, set := range byBroker(gs) {
		body := chart.Lines{Spell: units.Number}
		offered := rates(mergeCells(set), func(s harness.Series) []float64 { return s.Offered })
		if len(offered.X) > 0 {
			offered.Name, offered.Quiet, offered.Low, offered.High = "offered", true, nil, nil
			body.Series = append(body.Series, offered)
		}
		var said []string
		for i, g := range set {
			l := rates(g.Cells, func(s harness.Series) []float64 { return s.Completed })
			if len(l.X) == 0 {
				continue
			}
			l.Name, l.Series = "completed", series(set, i)
			if len(set) > 1 {
				l.Name = g.Short
			}
			body.Series = append(body.Series, l)
			said = append(said, fmt.Sprintf("%s completed %s tasks a second in the median bin", g.Short, units.Number(statOf(l.Y).Median)))
		}
		if len(said) == 0 {
			continue
		}
		end := 0.0
		for _, l := range body.Series {
			end = max(end, slices.Max(l.X))
			top = max(top, slices.Max(l.Y))
			if len(l.High) > 0 {
				top = max(top, slices.Max(l.High))
			}
		}
		body.XMax, body.Bands = end, bandsOf(set, end)
		bodies = append(bodies, body)
		d.Panels = append(d.Panels, chart.Panel{Title: heading(set), Unit: "tasks/s",
			Alt: fmt.Sprintf("Throughput of %s over %s: %s.%s", heading(set), units.Seconds(end), list(said), bandsSaid(body.Bands))})
	}
	for i := range bodies {
		bodies[i].YMax = top
		d.Panels[i].Body = bodies[i]
	}
	if len(d.Panels) == 0 {
		d.Missing = "No throughput was recorded over time."
	}
	return d
}

func mergeCells(set []group) []harness.Cell {
	var cells []harness.Cell
	for _, g := range set {
		cells = append(cells, g.Cells...)
	}
	return cells
}

// rates is the median over the cells in each bin, with the range where there are several.
func rates(cells []harness.Cell, of func(harness.Series) []float64) chart.Line {
	step, longest := 0.0, 0
	for _, c := range cells {
		if ys := of(c.Series); len(ys) > 0 && c.Series.Step > 0 && (step == 0 || c.Series.Step == step) {
			step, longest = c.Series.Step, max(longest, len(ys))
		}
	}
	every := (longest + points - 1) / points
	var l chart.Line
	for at := 0; at < longest; at += every {
		var means []float64
		for _, c := range cells {
			ys := of(c.Series)
			if c.Series.Step != step || at >= len(ys) {
				continue
			}
			sum, bins := 0.0, ys[at:min(at+every, len(ys))]
			for _, y := range bins {
				sum += y
			}
			means = append(means, sum/float64(len(bins)))
		}
		s := statOf(means)
		l.X = append(l.X, (float64(at)+float64(every)/2)*step)
		l.Y, l.Low, l.High = append(l.Y, s.Median), append(l.Low, s.Low), append(l.High, s.High)
	}
	if len(cells) < 2 {
		l.Low, l.High = nil, nil
	}
	return l
}

func memories(gs []group) drawing {
	d := drawing{File: "memory", Heading: "Memory over time", Caption: "Resident memory of each node, of the first repeat that has it."}
	var bodies []chart.Lines
	top := 0.0
	for _, g := range gs {
		i := slices.IndexFunc(g.Cells, func(c harness.Cell) bool { return len(memoryLines(c)) > 0 })
		if i < 0 {
			continue
		}
		lines := memoryLines(g.Cells[i])
		unit := "resident memory"
		if n := len(lines); n > chart.MaxSeries {
			unit = fmt.Sprintf("the %d largest of %d nodes", chart.MaxSeries, n)
			slices.SortFunc(lines, func(a, b chart.Line) int { return cmp.Compare(slices.Max(b.Y), slices.Max(a.Y)) })
			lines = lines[:chart.MaxSeries]
		}
		slices.SortFunc(lines, func(a, b chart.Line) int { return nodeOrder(a.Name, b.Name) })
		end := 0.0
		var said []string
		for j := range lines {
			lines[j].Series = j
			most := slices.Max(lines[j].Y)
			end, top = max(end, slices.Max(lines[j].X)), max(top, most)
			said = append(said, fmt.Sprintf("%s at most %s", lines[j].Name, units.Bytes(most)))
		}
		body := chart.Lines{Series: lines, XMax: end, Bytes: true, Spell: units.Bytes}
		only := g
		only.Cells = g.Cells[i : i+1]
		body.Bands = bandsOf([]group{only}, end)
		bodies = append(bodies, body)
		d.Panels = append(d.Panels, chart.Panel{Title: g.Label, Unit: unit,
			Alt: fmt.Sprintf("Resident memory of the nodes of %s over %s: %s.%s", g.Label, units.Seconds(end), list(said), bandsSaid(body.Bands))})
	}
	for i := range bodies {
		bodies[i].YMax = top
		d.Panels[i].Body = bodies[i]
	}
	if len(d.Panels) == 0 {
		d.Missing = "No memory was sampled."
	}
	return d
}

// memoryLines are the nodes' samples; where there are too many, the greatest of each few stands for them, so that
// no peak is smoothed away.
func memoryLines(c harness.Cell) []chart.Line {
	var lines []chart.Line
	for _, n := range c.Series.Nodes {
		size := min(len(n.At), len(n.RSS))
		if size == 0 {
			continue
		}
		every := (size + points - 1) / points
		l := chart.Line{Name: n.Node}
		for at := 0; at < size; at += every {
			to := min(at+every, size)
			l.X = append(l.X, n.At[at])
			l.Y = append(l.Y, float64(slices.Max(n.RSS[at:to])))
		}
		lines = append(lines, l)
	}
	return lines
}

// nodeOrder has the broker first, and worker-10 after worker-9.
func nodeOrder(a, b string) int {
	isBroker := func(s string) int {
		if strings.HasPrefix(s, "broker") {
			return 0
		}
		return 1
	}
	return cmp.Or(isBroker(a)-isBroker(b), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
