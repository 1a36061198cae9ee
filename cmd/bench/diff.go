package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/perf/benchmath"

	"taskbench/harness"
	"taskbench/reports"
)

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two results, cell by cell",
		Long: `diff compares the cells that two result directories share, over their repeats. "~" means that no difference was
shown: the Mann-Whitney U test of golang.org/x/perf, at a level of 0.05, needs at least four repeats a side to show one.
Counts of lost and duplicated tasks are added up over the repeats.`,
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 2, 2)
			if err := a.mistaken(); err != nil {
				return err
			}
			var sides [2]harness.Result
			for i, dir := range args {
				r, err := reports.Read(dir)
				a.mistake(err)
				sides[i] = r
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			if n := diff(a.stdout, sides[0], sides[1]); n == 0 {
				return inputError(fmt.Errorf("%s and %s have no cell in common", args[0], args[1]))
			}
			return nil
		},
	}
}

// A measure is one number of a cell that is compared.
type measure struct {
	name string
	of   func(harness.Cell) float64
	unit string
}

var measures = []measure{
	{"completed", func(c harness.Cell) float64 { return c.Throughput.Completed }, "/s"},
	{"p50", func(c harness.Cell) float64 { return 1e3 * c.Latency["due_to_finish"].P50 }, " ms"},
	{"p99", func(c harness.Cell) float64 { return 1e3 * c.Latency["due_to_finish"].P99 }, " ms"},
}

var sums = []measure{
	{"lost", func(c harness.Cell) float64 { return float64(c.Counts.Lost) }, ""},
	{"duplicated", func(c harness.Cell) float64 { return float64(c.Counts.Duplicated) }, ""},
}

// diff prints the comparison of the cells that both have, and returns how many there were.
func diff(out io.Writer, old, now harness.Result) int {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "CELL\tMEASURE\tOLD\tNEW\tDIFFERENCE")
	before, after := grouped(old), grouped(now)
	shared := 0
	for _, name := range after.order {
		a, b := before.cells[name], after.cells[name]
		if len(a) == 0 {
			continue
		}
		shared++
		for _, m := range measures {
			s, t := sample(a, m), sample(b, m)
			c := benchmath.AssumeNothing.Compare(s, t)
			x, y := benchmath.AssumeNothing.Summary(s, 0.95).Center, benchmath.AssumeNothing.Summary(t, 0.95).Center
			_, _ = fmt.Fprintf(w, "%s\t%s\t%.4g%s\t%.4g%s\t%s (%s)\n", name, m.name, x, m.unit, y, m.unit, c.FormatDelta(x, y), c)
			name = ""
		}
		for _, m := range sums {
			x, y := total(a, m), total(b, m)
			_, _ = fmt.Fprintf(w, "\t%s\t%.0f\t%.0f\t%+.0f\n", m.name, x, y, y-x)
		}
	}
	for _, name := range before.order {
		if len(after.cells[name]) == 0 {
			_, _ = fmt.Fprintf(w, "%s\tonly in OLD\t\t\t\n", name)
		}
	}
	for _, name := range after.order {
		if len(before.cells[name]) == 0 {
			_, _ = fmt.Fprintf(w, "%s\tonly in NEW\t\t\t\n", name)
		}
	}
	_ = w.Flush()
	return shared
}

// groups are the repeats of each cell.
type groups struct {
	order []string
	cells map[string][]harness.Cell
}

// grouped leaves out what was not run, and what was void: its numbers do not count.
func grouped(r harness.Result) groups {
	g := groups{cells: map[string][]harness.Cell{}}
	for _, c := range r.Cells {
		if c.Outcome == harness.Unfit || c.Outcome == harness.Void {
			continue
		}
		name := fmt.Sprintf("%s:%s %s %s", c.Broker, c.Variant, c.Pool, c.Workload)
		if g.cells[name] == nil {
			g.order = append(g.order, name)
		}
		g.cells[name] = append(g.cells[name], c)
	}
	return g
}

func sample(cells []harness.Cell, m measure) *benchmath.Sample {
	var values []float64
	for _, c := range cells {
		values = append(values, m.of(c))
	}
	return benchmath.NewSample(values, &benchmath.DefaultThresholds)
}

func total(cells []harness.Cell, m measure) float64 {
	sum := 0.0
	for _, c := range cells {
		sum += m.of(c)
	}
	return math.Round(sum)
}
