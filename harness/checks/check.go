// Package checks judges histories. A check is a pure function from a history to a verdict: one file each,
// with histories beside it that it must pass and histories that it must not.
package checks

import "taskbench/harness/ledger"

// A Check judges one property of a history.
type Check struct {
	Name, Doc string
	Judge     func(ledger.History) Verdict
}

// Outcome of a check. The zero value is Undecided: a check that says nothing has not passed.
type Outcome int

// The outcomes. Counted is for checks that count without condemning: whether a duplicate is a failure
// is the scenario's to say.
const (
	Undecided Outcome = iota
	Pass
	Found
)

// A Verdict is what a check says. Nothing examined cannot pass.
type Verdict struct {
	Outcome  Outcome
	Examined int
	Count    int       // how many tasks (or attempts) the finding is about
	Findings []Finding // the first hundred, in order of sequence number
	Why      string    // for Undecided
}

// A Finding names one task and says what is wrong with it, in a sentence.
type Finding struct {
	Task uint64
	ID   string // the task's id on the wire
	Text string
}
