package reports

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/units"
)

// A cellView is all there is to know of one cell.
type cellView struct {
	harness.Cell
	ID, Label string
	Open      bool
	Brief     string
	Facts     []pair
	Numbers   []pair
	Recovered []pair
	Configs   []pair
	Stages    []stageView
	Shown     []harness.Finding // the first findings
	More      int               // findings that are not shown
}

type stageView struct {
	Name string
	harness.Latency
}

// PhaseEnd is the percentiles of a phase from due to finish.
func (c cellView) PhaseEnd(p harness.PhaseResult) harness.Latency { return p.Latency[endToEnd] }

// Files are what the cell left in the result directory: names, with a link where the name is of a file below it.
func (c cellView) Files() []pair {
	var ps []pair
	for _, name := range append([]string{c.History}, c.Logs...) {
		switch {
		case name == "":
		case filepath.IsLocal(name) && !strings.Contains(name, ":"):
			ps = append(ps, pair{name, name})
		default:
			ps = append(ps, pair{name, ""})
		}
	}
	return ps
}

// cellViews lists every cell; the first one that failed stands open.
func cellViews(gs []group) []cellView {
	var vs []cellView
	open := false
	for _, g := range gs {
		for _, c := range g.Cells {
			v := cellView{Cell: c, ID: anchor(len(vs)), Label: g.Label, Brief: brief(c)}
			if len(g.Cells) > 1 {
				v.Label += fmt.Sprintf(" · repeat %d", c.Repeat)
			}
			if !open && c.Outcome != harness.Pass && c.Outcome != harness.Unfit {
				v.Open, open = true, true
			}
			v.Facts = said([]pair{
				{"Server", c.Server}, {"Image", c.Image}, {"Durability", c.Durability}, {"Lab", c.Lab}, {"System", c.System}, {"Pool", c.Pool},
				{"Workers", fmt.Sprintf("%d × concurrency %d", c.Workers, c.Concurrency)}, {"Acks", c.Acks}, {"Guarantee promised", c.Promised}, {"Guarantee seen", c.Guarantee},
			})
			v.Numbers = numbers(c.Counts)
			v.Recovered = recovery(c.Recovery)
			for _, k := range slices.Sorted(maps.Keys(c.Settings)) {
				v.Configs = append(v.Configs, pair{k, c.Settings[k]})
			}
			for _, s := range stagesOf(c) {
				v.Stages = append(v.Stages, stageView{stageTitle(s), c.Latency[s]})
			}
			v.Shown = c.Findings[:min(20, len(c.Findings))]
			v.More = len(c.Findings) - len(v.Shown)
			vs = append(vs, v)
		}
	}
	return vs
}

// anchor names the page's n-th cell in links to it, counted from 0.
func anchor(n int) string { return fmt.Sprintf("cell-%d", n+1) }

// brief is the line that a folded cell shows.
func brief(c harness.Cell) string {
	if !measured(c) {
		return reason(c)
	}
	s := fmt.Sprintf("%s executed, %s lost, %s duplicated", units.Count(c.Counts.Executed), units.Count(c.Counts.Lost), units.Count(c.Counts.Duplicated))
	if l := c.Latency[endToEnd]; l.Count > 0 {
		s += ", p99 " + units.Seconds(l.P99)
	}
	return s
}

// numbers is the accounting: the first six always, the others where they are not zero.
func numbers(n harness.Counts) []pair {
	ps := []pair{{"attempted", units.Count(n.Attempted)}, {"acknowledged", units.Count(n.Acknowledged)}, {"executed", units.Count(n.Executed)},
		{"lost", units.Count(n.Lost)}, {"duplicated", units.Count(n.Duplicated)}, {"publish unknown", units.Count(n.Unknown)}}
	for _, rest := range []struct {
		name string
		n    int
	}{
		{"publish refused", n.Refused}, {"recovered", n.Recovered}, {"unexpected", n.Unexpected}, {"orphaned", n.Orphaned}, {"stuck", n.Stuck},
		{"retried", n.Retried}, {"concurrent", n.Concurrent}, {"failed", n.Failed}, {"malformed", n.Malformed},
		{"stalls", n.Stalls}, {"redelivered after ack", n.Redelivered},
	} {
		if rest.n != 0 {
			ps = append(ps, pair{rest.name, units.Count(rest.n)})
		}
	}
	return ps
}

// recovery is empty where nothing of it was seen.
func recovery(r harness.Recovery) []pair {
	steps := []struct {
		name string
		at   *float64
	}{
		{"broker reachable", r.BrokerReachable}, {"first publish", r.FirstPublish}, {"first completion", r.FirstCompletion},
		{"90 % of the rate before", r.To90Percent}, {"backlog drained", r.BacklogDrained},
	}
	var ps []pair
	any := false
	for _, s := range steps {
		v := "not seen"
		if s.at != nil {
			v, any = units.Seconds(*s.at), true
		}
		ps = append(ps, pair{s.name, v})
	}
	if !any {
		return nil
	}
	return ps
}

// Slope is by how much a node's memory grows in a second, with its 95 % interval.
func (c cellView) Slope(r harness.Resource) string {
	if r.RSSSlope == 0 && r.RSSSlopeLow == 0 && r.RSSSlopeHigh == 0 {
		return units.None
	}
	return fmt.Sprintf("%s/s (%s to %s)", units.Bytes(r.RSSSlope), units.Bytes(r.RSSSlopeLow), units.Bytes(r.RSSSlopeHigh))
}

// Planned is when a fault was to happen, and for how long.
func (c cellView) Planned(f harness.FaultResult) string {
	switch {
	case f.Number == 0:
		return units.None
	case f.PlannedFor == 0:
		return units.Seconds(f.PlannedAt)
	}
	return units.Seconds(f.PlannedAt) + " for " + units.Seconds(f.PlannedFor)
}

// Effect is how long after it was begun a fault was seen to hold.
func (c cellView) Effect(f harness.FaultResult) string {
	if f.InEffect < f.At || f.InEffect == 0 {
		return "not seen"
	}
	return "+" + units.Seconds(f.InEffect-f.At)
}

// Heal is when a fault was seen to be gone.
func (c cellView) Heal(f harness.FaultResult) string {
	if f.Healed <= 0 {
		return "never"
	}
	return units.Seconds(f.Healed)
}
