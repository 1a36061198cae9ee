package harness

import (
	"fmt"
	"path/filepath"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
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
	if n := s.collected.Lost; n > 0 {
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("%d events found no room on the disk: the history has gaps", n))
	}

	report := checks.Run(h)
	cell.Counts, cell.Guarantee, cell.Findings = counts(report, h), guarantee(report, meta), findings(report, meta)
	cell.Checks = checked(report)
	var amiss string
	if cell.WarmUp, amiss = warmUp(report, h); amiss != "" {
		cell.Warnings = append(cell.Warnings, amiss)
	}
	if n := cell.Counts.Destroyed; n > 0 {
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("%d of the %d lost tasks are lost by design: a fault destroyed what the broker held, and had acknowledged before", n, cell.Counts.Lost))
	}
	if n := cell.Counts.Foreign; n > 0 {
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("%d messages of others were in the queue: what they cost the workers is in the numbers", n))
	}
	s.measure(&cell, h, c)
	cell.Faults = faultResults(c.faults, s.cell.Scenario.Load.Warmup)
	cell.Recovery = recovery(h, c)
	cell.Resources, cell.Series.Nodes = s.resources(c)
	cell.Expectations = s.expectations(cell, partial(meta))
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
		Terms: c.terms, Ordered: inOrder(s.cell), Series: s.series(),
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
			m.Faults = append(m.Faults, ledger.FaultSpan{Number: f.number, Fault: f.name, Node: f.node, At: f.at, InEffect: f.inEffect, Healing: f.healStart, Healed: f.healed, Proof: f.proof, Destroys: f.destroys})
		}
	}
	return m
}
