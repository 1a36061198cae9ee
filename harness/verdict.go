package harness

import (
	"fmt"
	"slices"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario/expect"
)

// expectations judges each one that applies; none is judged by a partial history.
func (s *stage) expectations(cell Cell, partial string) []Expectation {
	vocabulary := expect.NewVocabulary(Cell{}, metrics.Stages)
	facts, err := expect.FactsOf(cell)
	out := []Expectation{}
	for _, e := range s.cell.Scenario.Expect {
		x := Expectation{Expect: e.Expr}
		compiled, wrong := vocabulary.Compile(e.When, e.Expr)
		switch {
		case err != nil:
			x.Why = err.Error()
		case wrong != nil:
			x.Why = wrong.Error()
		default:
			v := compiled.Judge(facts)
			if v.Outcome == expect.Moot {
				continue
			}
			x.Held, x.Value, x.Why = v.Outcome == expect.Held, v.Value, v.Why
			x.Undecided = v.Outcome == expect.Undecided
			if partial != "" {
				x.Held, x.Undecided, x.Why = false, true, "not judged: "+partial
			}
		}
		out = append(out, x)
	}
	return out
}

// The generator must have offered what was asked, when it was asked. One task in a hundred may be handed to the
// publishers this late: beyond late it is said, beyond tooLate the run says nothing. Latencies count from the due
// time in any case, and so contain it.
const (
	late    = 20 * time.Millisecond
	tooLate = 250 * time.Millisecond
)

// verdict decides the outcome: void before failed before undecided, and nothing passes unjudged.
func (s *stage) verdict(cell *Cell, c course, report checks.Report) {
	failed := slices.ContainsFunc(cell.Expectations, func(e Expectation) bool { return !e.Held && !e.Undecided })
	undecided := slices.ContainsFunc(cell.Expectations, func(e Expectation) bool { return e.Undecided })
	why := func(format string, args ...any) { cell.Warnings = append(cell.Warnings, fmt.Sprintf(format, args...)) }
	var void, doubt bool
	switch {
	case c.aborted != "":
		doubt = true
	case c.load.Offered < c.load.Asked:
		void = true
		why("void: %d of %d tasks were offered", c.load.Offered, c.load.Asked)
	case c.load.Schedule.P99 > tooLate:
		void = true
		why("void: the load generator fell behind: one task in a hundred was handed to the publishers more than %v late", c.load.Schedule.P99.Round(time.Millisecond))
	case c.load.Schedule.P99 > late:
		why("the load generator itself was late on this machine: one task in a hundred by more than %v, which the latencies contain", c.load.Schedule.P99.Round(time.Millisecond))
	}
	for _, f := range c.faults {
		if f.err != nil {
			doubt = true // it is among the warnings already
		}
	}
	if c.aborted == "" && !c.drain.full {
		doubt = true
		why("the drain did not end: %s", c.drain.why)
	}
	if s.collected.Lost > 0 || len(s.deaths.list()) > 0 {
		doubt = true // and they too
	}
	if broken := report.Broken(); broken != "" {
		doubt = true
		why("the ledger does not add up: %s", broken)
	}
	if c.aborted == "" && cell.Counts.Acknowledged == 0 {
		doubt = true
		why("no task of the measured load was acknowledged by the broker: nothing was there to be lost")
	}
	if len(cell.Expectations) == 0 {
		undecided = true
		why("nothing was expected, so that nothing can pass")
	}
	switch {
	case void:
		cell.Outcome = Void
	case failed:
		cell.Outcome = Fail
	case undecided || doubt:
		cell.Outcome = Undecided
	default:
		cell.Outcome = Pass
	}
}
