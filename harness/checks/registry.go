package checks

import (
	"cmp"
	"slices"

	"taskbench/harness/ledger"
)

var registry []Check

// register adds a check; every check's file does so for itself.
func register(c Check) {
	c.Judge = func(h ledger.History) Verdict { return pass(h, []Check{c})[0] }
	registry = append(registry, c)
}

// All are the checks there are, by name.
func All() []Check {
	return slices.SortedFunc(slices.Values(registry), func(a, b Check) int { return cmp.Compare(a.Name, b.Name) })
}

// pass shows every task of a history to all the checks, once.
func pass(h ledger.History, checks []Check) []Verdict {
	sc := newScope(h)
	judges := make([]judge, len(checks))
	for i, c := range checks {
		judges[i] = c.begin(sc)
	}
	var task ledger.Task // one of each for the whole pass: they escape
	var s subject
	for task = range h.All() {
		s = sc.subject(&task)
		for i := range judges {
			judges[i].see(&s)
		}
	}
	verdicts := make([]Verdict, len(checks))
	for i := range judges {
		verdicts[i] = judges[i].end()
	}
	return verdicts
}
