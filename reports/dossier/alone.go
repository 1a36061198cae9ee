package dossier

import (
	"iter"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// one is a history in which all but one task is left out.
type one struct {
	ledger.History
	seq uint64
}

// Meta implements ledger.History. The recorder's own count is of the whole.
func (o one) Meta() ledger.Meta {
	m := o.History.Meta()
	m.Tally = nil
	return m
}

// All implements ledger.History.
func (o one) All() iter.Seq[ledger.Task] {
	return func(yield func(ledger.Task) bool) {
		for t := range o.History.All() {
			if t.Seq == o.seq {
				yield(t)
				return
			}
		}
	}
}

// alone is what a check finds in one task.
func alone(check string, h ledger.History, seq uint64) []checks.Finding {
	for _, c := range checks.All() {
		if c.Name == check {
			return c.Judge(one{h, seq}).Findings
		}
	}
	return nil
}
