package reports

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/units"
)

// A warning is one thing to know before a number is believed, with the cells that it is about.
type warning struct {
	Text  string
	Where []string // labels; none: the run as a whole
}

// About says which cells a warning is about.
func (w warning) About() string {
	if len(w.Where) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(w.Where[:2], ", "), len(w.Where)-2)
	}
	return strings.Join(w.Where, ", ")
}

// toldBy tells whether the verdict of so many cells gives the warning's text already, of all of them or by name.
func (w warning) toldBy(verdict string, cells int) bool {
	if !strings.Contains(verdict, strings.TrimSuffix(w.Text, ".")) {
		return false
	}
	return len(w.Where) == cells || len(w.Where) == 1 && strings.Contains(verdict, w.Where[0])
}

// warningsOf gathers what the run and its cells warn of, the same text once, and what the comparison itself has
// to warn of.
func warningsOf(r harness.Result) []warning {
	var ws []warning
	for _, t := range r.Warnings {
		ws = append(ws, warning{Text: t})
	}
	gs := groupsOf(r)
	var cells []warning
	for _, g := range gs {
		for _, c := range g.Cells {
			where := g.Label
			if len(g.Cells) > 1 {
				where += fmt.Sprintf(" (repeat %d)", c.Repeat)
			}
			for _, t := range c.Warnings {
				i := slices.IndexFunc(cells, func(w warning) bool { return w.Text == t })
				if i < 0 {
					i = len(cells)
					cells = append(cells, warning{Text: t})
				}
				cells[i].Where = append(cells[i].Where, where)
			}
		}
	}
	return append(append(ws, cautions(gs)...), cells...)
}

// cautions are what a comparison of these groups cannot show.
func cautions(gs []group) []warning {
	var ws []warning
	once, labs := 0, false
	for _, c := range classesOf(gs) {
		var seen []string
		taking := 0
		for _, r := range c.Rows {
			if measured(r.worst()) && !slices.Contains(seen, r.Lab) {
				seen = append(seen, r.Lab)
			}
			if r.ranked() {
				taking++
			}
		}
		labs = labs || len(seen) > 1
		for _, r := range c.Rows {
			if taking > 1 && r.ranked() && r.stat(tailLatency).N < 2 {
				once++
			}
		}
	}
	if once > 0 {
		ws = append(ws, warning{Text: fmt.Sprintf("%s ran only once: one repeat shows no difference, so %s not ranked; repeat the run with --repeat 3 or more",
			units.Plural(once, "cell"), map[bool]string{true: "it is", false: "they are"}[once == 1])})
	}
	if labs {
		ws = append(ws, warning{Text: "cells of one table ran in different labs: a container, a process and a library in this process cost differently"})
	}
	return ws
}
