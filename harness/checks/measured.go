package checks

import (
	"iter"

	"taskbench/harness/ledger"
)

// measured is a history without the tasks that were due in its warm-up.
type measured struct {
	ledger.History
	from int64 // end of the warm-up
}

// withoutWarmUp returns the measured part of a history, and whether that is less than all of it.
func withoutWarmUp(h ledger.History) (ledger.History, bool) {
	for _, p := range h.Meta().Phases {
		if p.Name == "warmup" && p.To > p.From {
			return measured{h, p.To}, true
		}
	}
	return h, false
}

// Meta implements ledger.History. The recorder's own count is of the whole, and so has no place in a part.
func (m measured) Meta() ledger.Meta {
	meta := m.History.Meta()
	meta.Tally = nil
	return meta
}

// All implements ledger.History. Tasks that were never due belong to no phase, and stay.
func (m measured) All() iter.Seq[ledger.Task] {
	return func(yield func(ledger.Task) bool) {
		due := uint64(m.Len())
		for t := range m.History.All() {
			if t.Seq < due && t.Due < m.from {
				continue
			}
			if !yield(t) {
				return
			}
		}
	}
}

// minus is what of the whole is not in the part. Stalls and Foreign stay 0: they count silences and events, which
// belong to no task and so to no part.
func (c Counts) minus(part Counts) Counts {
	return Counts{
		Due: c.Due - part.Due, Attempted: c.Attempted - part.Attempted, Acknowledged: c.Acknowledged - part.Acknowledged,
		Refused: c.Refused - part.Refused, Unknown: c.Unknown - part.Unknown, Executed: c.Executed - part.Executed,
		Lost: c.Lost - part.Lost, Destroyed: c.Destroyed - part.Destroyed, Duplicated: c.Duplicated - part.Duplicated, Recovered: c.Recovered - part.Recovered,
		Unexpected: c.Unexpected - part.Unexpected, Orphaned: c.Orphaned - part.Orphaned, Stuck: c.Stuck - part.Stuck,
		Retried: c.Retried - part.Retried, Concurrent: c.Concurrent - part.Concurrent, Failed: c.Failed - part.Failed,
		Malformed: c.Malformed - part.Malformed, Phantom: c.Phantom - part.Phantom, Redelivered: c.Redelivered - part.Redelivered,
	}
}

// Plus is the sum of what was counted of two parts.
func (c Counts) Plus(o Counts) Counts {
	return Counts{
		Due: c.Due + o.Due, Attempted: c.Attempted + o.Attempted, Acknowledged: c.Acknowledged + o.Acknowledged,
		Refused: c.Refused + o.Refused, Unknown: c.Unknown + o.Unknown, Executed: c.Executed + o.Executed,
		Lost: c.Lost + o.Lost, Destroyed: c.Destroyed + o.Destroyed, Duplicated: c.Duplicated + o.Duplicated, Recovered: c.Recovered + o.Recovered,
		Unexpected: c.Unexpected + o.Unexpected, Orphaned: c.Orphaned + o.Orphaned, Stuck: c.Stuck + o.Stuck,
		Retried: c.Retried + o.Retried, Concurrent: c.Concurrent + o.Concurrent, Failed: c.Failed + o.Failed,
		Malformed: c.Malformed + o.Malformed, Phantom: c.Phantom + o.Phantom, Redelivered: c.Redelivered + o.Redelivered,
		Stalls: c.Stalls + o.Stalls, Foreign: c.Foreign + o.Foreign,
	}
}
