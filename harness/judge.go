package harness

import (
	"errors"
	"fmt"
	"maps"
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
	cell.History = historyFile(s.cell)
	h, stored := s.freeze(meta)
	if stored != nil {
		stored = fmt.Errorf("store the history: %w", stored)
		cell.History = ""
		cell.Warnings = append(cell.Warnings, stored.Error())
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
	if p, ok := h.(*ledger.Pieces); ok && p.Err() != nil {
		stored = errors.Join(stored, p.Err()) // check accounting misses the tasks
		cell.Warnings = append(cell.Warnings, p.Err().Error())
	}
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
	cell.backlogs(h, c.faults)
	cell.Recovery = recovery(h, c)
	cell.Resources, cell.Series.Nodes = s.resources(c)
	cell.Expectations = s.expectations(cell, partial(meta))
	s.verdict(&cell, c, report)
	return cell, stored
}

// historyFile is the name of a cell's history in the result directory.
func historyFile(c CellPlan) string { return "history." + c.Name() + ".tbz" }

// freeze ends the recording and stores the history.
func (s *stage) freeze(meta ledger.Meta) (ledger.History, error) {
	if s.soak != nil {
		return s.soak.cutter.Finish(meta)
	}
	h := s.recorder.Freeze(meta)
	return h, ledger.WriteFile(filepath.Join(s.plan.Dir, historyFile(s.cell)), h)
}

// Judge judges a stored history again, with today's checks. Cells keep what a history does not hold.
func Judge(h ledger.History) (Counts, string, []Finding) {
	report := checks.Run(h)
	return counts(report, h), guarantee(report, h.Meta()), findings(report, h.Meta())
}

// Cut says why a history ends before its run did, and until when it goes: that of a run which was killed. It is "" for
// others.
func Cut(h ledger.History) string {
	m := h.Meta()
	if m.Aborted != goesOn {
		return ""
	}
	var until time.Duration // since the load began
	for _, p := range m.Pieces {
		until = max(until, time.Duration(p.Ended))
	}
	return fmt.Sprintf("the run ended without a judgement after %d pieces of its history, which go to %v; what came later is not known", len(m.Pieces), until.Round(time.Second))
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
	m.Nodes = append(m.Nodes, s.names()...)
	if s.ticks != nil {
		m.Ticks = s.ticks.until(c.loadEnd)
		m.Settings = maps.Clone(m.Settings)
		if m.Settings == nil {
			m.Settings = map[string]string{}
		}
		m.Settings[checks.TickLateSetting] = s.cell.Scenario.System.Beat.Late.String()
	}
	if s.chords.Size() > 0 {
		m.Chords = s.chords.Whole(uint64(s.recorder.Live().Due))
	}
	if c.drain.ready >= 0 {
		// What a worker has in hand may yet be done. The broker need not know of it: it was acknowledged early,
		// or the broker does not count.
		m.Left = c.drain.ready + max(c.drain.unacked, c.drain.held)
	}
	for _, f := range c.faults {
		if f.inEffect != 0 {
			m.Faults = append(m.Faults, ledger.FaultSpan{
				Number: f.number, Fault: f.name, Node: f.node, At: f.at, InEffect: f.inEffect, Healing: f.healStart, Healed: f.healed, Proof: f.proof,
				Destroys: f.destroys, Ends: f.ends, Ahead: int64(f.clock.Ahead), Gains: f.clock.Rate,
			})
		}
	}
	return m
}
