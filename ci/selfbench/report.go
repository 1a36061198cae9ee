package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A line is one figure and what it should be.
type line struct {
	what, got, goal string
	met             bool
}

// missed tells whether the line has a goal, and it was not reached.
func (l line) missed() bool { return l.goal != "" && !l.met }

// mark is the word behind the goal.
func (l line) mark() string {
	switch {
	case l.goal == "":
		return ""
	case l.met:
		return "met"
	}
	return "missed"
}

// A section is one part of the measurement.
type section struct {
	name string
	run  func(context.Context, settings) ([]line, error)
}

// measure runs those of the sections that are wanted, each whatever became of the others, and tells whether all of them could be
// measured and every goal was met.
func measure(ctx context.Context, all []section, wanted []string, s settings, out, talk io.Writer) bool {
	missed, failed := 0, 0
	for _, sec := range all {
		if !slices.Contains(wanted, sec.name) {
			continue
		}
		lines, err := sec.run(ctx, s)
		show(out, sec.name, lines)
		for _, l := range lines {
			if l.missed() {
				missed++
			}
		}
		if err != nil {
			failed++
			_, _ = fmt.Fprintf(talk, "selfbench: %s: %v\n", sec.name, err)
		}
	}
	if missed > 0 {
		_, _ = fmt.Fprintf(talk, "selfbench: goals missed: %d; on a machine that does other work, measure again before you believe it\n", missed)
	}
	return missed+failed == 0
}

func show(out io.Writer, name string, lines []line) {
	_, _ = fmt.Fprintf(out, "\n%s\n", strings.ToUpper(name))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", l.what, l.got, l.goal, l.mark())
	}
	_ = w.Flush()
}

// quantile is the value that so much of the times does not exceed.
func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
