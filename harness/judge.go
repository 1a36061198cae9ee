package harness

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario/expect"
)

// judge freezes the history, stores it, and turns it into the cell's result. The error is one of storing: the
// judgement is whole all the same.
func (s *stage) judge(cell Cell, c course) (Cell, error) {
	if s.recorder == nil {
		cell.Warnings = append(cell.Warnings, c.aborted)
		return cell, nil
	}
	meta := s.meta(c)
	h := s.recorder.Freeze(meta)
	cell.History = "history." + s.cell.Name() + ".tbz"
	stored := ledger.WriteFile(filepath.Join(s.plan.Dir, cell.History), h)
	if stored != nil {
		stored = fmt.Errorf("store the history: %w", stored)
		cell.History = ""
		cell.Warnings = append(cell.Warnings, stored.Error())
	}
	for _, node := range append([]string{"broker"}, meta.Nodes[1:]...) {
		cell.Logs = append(cell.Logs, filepath.Join("logs", filepath.Base(s.log(node))))
	}
	if c.aborted != "" {
		cell.Warnings = append(cell.Warnings, "judged as far as it came: "+c.aborted)
	}
	cell.Warnings = append(cell.Warnings, c.warnings...)
	cell.Warnings = append(cell.Warnings, s.deaths.list()...)
	cell.Warnings = append(cell.Warnings, s.evidenceGaps()...)

	report := checks.Run(h)
	cell.Counts, cell.Guarantee, cell.Findings = counts(report, h), guarantee(report, meta), findings(report, meta)
	var amiss string
	if cell.WarmUp, amiss = warmUp(report, h); amiss != "" {
		cell.Warnings = append(cell.Warnings, amiss)
	}
	if n := cell.Counts.Foreign; n > 0 {
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("%d messages of others were in the queue: what they cost the workers is in the numbers", n))
	}
	s.measure(&cell, h, c)
	cell.Faults = faultResults(c.faults)
	cell.Recovery = recovery(h, c)
	cell.Resources, cell.Series.Nodes = s.resources(c)
	cell.Expectations = s.expectations(cell, s.partial(c))
	s.verdict(&cell, c, report)
	return cell, stored
}

// Judge judges a stored history again, with today's checks. Cells keep what a history does not hold.
func Judge(h ledger.History) (Counts, string, []Finding) {
	report := checks.Run(h)
	return counts(report, h), guarantee(report, h.Meta()), findings(report, h.Meta())
}

func (s *stage) meta(c course) ledger.Meta {
	m := ledger.Meta{
		Scenario: s.cell.Scenario.Name, Broker: s.cell.Driver.Name + ":" + s.cell.Variant.Name, System: s.cell.System.Name,
		Pool: s.cell.Scenario.System.Pool, Acks: s.cell.Scenario.System.Acks, Seed: s.plan.Seed,
		Started:    time.Now().Add(-time.Duration(s.now())).UTC().Format(time.RFC3339Nano),
		Nodes:      []string{"broker"},
		Phases:     phasesOf(s.cell.Scenario.Load, c),
		DrainEnded: c.drain.ended, Drained: c.drain.full, Left: -1, Aborted: c.aborted, Settings: s.node.Info().Settings,
		Torn: s.collected.Torn, Unrecorded: s.collected.Lost,
	}
	for _, w := range s.workers {
		m.Nodes = append(m.Nodes, w.Name())
	}
	if c.drain.ready >= 0 {
		// What a worker has in hand may yet be done. The broker need not know of it: it was acknowledged early,
		// or the broker does not count.
		m.Left = c.drain.ready + max(c.drain.unacked, c.drain.held)
	}
	for _, f := range c.faults {
		if f.inEffect != 0 {
			m.Faults = append(m.Faults, ledger.FaultSpan{Fault: f.name, Node: f.node, At: f.at, InEffect: f.inEffect, Healing: f.healStart, Healed: f.healed, Proof: f.proof})
		}
	}
	return m
}

// partial says why the history does not hold all that happened, or "". What it lacks proves nothing then.
func (s *stage) partial(c course) string {
	switch {
	case c.aborted != "":
		return c.aborted
	case s.collected.Lost > 0:
		return "the history has gaps"
	}
	return ""
}

// evidenceGaps is what the ledger knows not to know.
func (s *stage) evidenceGaps() []string {
	var gaps []string
	if n := s.collected.Lost; n > 0 {
		gaps = append(gaps, fmt.Sprintf("%d events found no room on the disk: the history has gaps", n))
	}
	return gaps
}

func (s *stage) measure(cell *Cell, h ledger.History, c course) {
	l := s.cell.Scenario.Load
	m := metrics.Measure(h, h.Meta().Phases, int64(l.Warmup), c.paced)
	cell.Latency = latencies(m.Whole)
	var due, completed int
	for i := range m.Phases {
		p := &m.Phases[i]
		r := PhaseResult{
			Phase: p.Phase.Name, From: seconds(p.Phase.From), To: seconds(p.Phase.To), Latency: latencies(p.Set),
			Throughput: Throughput{Offered: p.Offered(), Completed: p.CompletedRate()},
		}
		switch p.Phase.Name {
		case "warmup":
		case "drain":
			r.Throughput.Drain = drainRate(p.Completed, c)
			cell.Throughput.Drain = r.Throughput.Drain
		default:
			due, completed = due+p.Due, completed+p.Completed
		}
		cell.Phases = append(cell.Phases, r)
	}
	if measured := seconds(c.paced) - l.Warmup.Seconds(); measured > 0 {
		cell.Throughput.Offered, cell.Throughput.Completed = float64(due)/measured, float64(completed)/measured
	}
	cell.Load.Extended = seconds(c.paced - int64(s.span()))
	cell.Series.Step = m.Rates.Step.Seconds()
	cell.Series.Offered = m.Rates.PerSecond(m.Rates.Due)
	cell.Series.Completed = m.Rates.PerSecond(m.Rates.Completed)
}

// drainRate is the rate at which a backlog was worked off once publishing had ended; a handful of tasks that were
// just under way is no backlog.
func drainRate(completed int, c course) float64 {
	took := seconds(c.drain.quiet - c.loadEnd)
	if completed < 100 || took < 0.5 {
		return 0
	}
	return float64(completed) / took
}

func latencies(s metrics.Set) map[string]Latency {
	out := map[string]Latency{}
	for stage, q := range s.Quantiles() {
		out[stage] = Latency(q)
	}
	return out
}

func faultResults(list []injection) []FaultResult {
	out := []FaultResult{}
	for _, i := range list {
		if i.inEffect == 0 {
			continue
		}
		out = append(out, FaultResult{
			Fault: i.name, Node: i.node, At: seconds(i.at), InEffect: seconds(i.inEffect), Healed: seconds(i.healed),
			Proof: i.proof, HealProof: i.healProof,
		})
	}
	return out
}

// recovery is counted from the moment when the last fault began to be healed.
func recovery(h ledger.History, c course) Recovery {
	var last injection
	for _, i := range c.faults {
		if i.healed > last.healed {
			last = i
		}
	}
	if last.healed == 0 {
		return Recovery{}
	}
	var steady ledger.Phase
	for _, p := range h.Meta().Phases {
		if p.Name == "steady" {
			steady = p
			break
		}
	}
	r := metrics.Recover(h, steady, last.healStart, last.healed)
	out := Recovery{FirstPublish: r.FirstPublish, FirstCompletion: r.FirstCompletion, To90Percent: r.To90Percent, BacklogDrained: r.BacklogDrained}
	if last.node == "broker" {
		took := seconds(last.healed - last.healStart)
		out.BrokerReachable = &took
	}
	return out
}

// resources are what each node used; the slope of memory is that of the load, its warm-up left out.
func (s *stage) resources(c course) ([]Resource, []NodeSeries) {
	from, to := s.cell.Scenario.Load.Warmup.Seconds(), seconds(c.loadEnd)
	all, lines := []Resource{}, []NodeSeries{}
	for _, sampler := range s.samplers {
		samples := sampler.Samples()
		if len(samples) == 0 {
			continue
		}
		slope := metrics.RSSSlope(samples, from, to)
		r := Resource{Node: sampler.Node, RSSSlope: slope.PerSecond, RSSSlopeLow: slope.Low, RSSSlopeHigh: slope.High}
		line := NodeSeries{Node: sampler.Node}
		before := samples[0]
		for _, x := range samples {
			r.RSSPeak, r.FDsPeak = max(r.RSSPeak, x.RSS), max(r.FDsPeak, x.FDs)
			cores := 0.0
			if x.At > before.At {
				cores = (x.CPUSeconds - before.CPUSeconds) / (x.At - before.At)
			}
			line.At, line.RSS, line.CPU = append(line.At, x.At), append(line.RSS, x.RSS), append(line.CPU, cores)
			before = x
		}
		r.CPUSeconds = before.CPUSeconds - samples[0].CPUSeconds
		all, lines = append(all, r), append(lines, line)
	}
	return all, lines
}

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

func seconds(ns int64) float64 { return float64(ns) / 1e9 }
