// Package checks judges histories. A check is a pure function from a history to a verdict: one file each,
// with histories beside it that it must pass and histories that it must not.
//
// # Classes
//
// A task was attempted when its publisher began to hand it to the broker. An attempted task is acknowledged,
// refused (provably not stored) or unknown, and nothing else. An acknowledged task is executed (run to its end at
// least once, well or badly; a retry that it asked for is no end), kept aside (dead-lettered, by the worker's word),
// lapsed (acknowledged unrun by a worker, when it had expired), stuck (still in the broker at the end of the drain) or
// missing; after a full drain missing is lost. Check accounting sees to it that every task falls in exactly one class.
//
// # Promises
//
// Other checks hold the system to what was asked of it. What that was is in the history: ledger.Terms for a task (a
// time to come, an expiry, a time limit, retries, a key), ledger.Meta for the run (whether order is promised, what
// schedules and chords were to do). The ends of such promises:
//
//   - early, late: started before or after the task's time (eta-early, eta-late); handed out again while its holder
//     lived, or long after that died (redelivered-early, redelivered-late)
//   - overtaken: received after one of the same key that was published later (order)
//   - expired: started when it was not to be any more
//   - off: retried more or less often than it asks (retry-count), run past its limit or cut off before (time-limit),
//     told of its soft one too early, too late or not at all (soft-limit)
//   - overwritten: its result was stored again; buried: dead-lettered though it had ended well (dead-letter)
//   - missed, late, repeated: ticks of a schedule; missing, or run when it should not: the body of a chord
//   - growing: what a node holds rises all through the load (growth)
//   - stalled, starved, unrecovered: nothing finishes though tasks wait; nothing of one queue; nothing after a fault
//
// A history that says nothing of a promise is not examined for it, and the check is undecided.
//
// # Clocks
//
// Evidence of one host has one clock, and two processes may seem 0.1 ms apart in it. What a message says by the wall
// clock is judged with 20 ms to spare.
//
// # Doubt
//
// What rests on the absence of evidence (lost, orphaned, phantom-confirm, stall, ...) is undecided when the drain did not
// end, the run was cut short, or events could not be recorded: the count is then the count so far. What rests on
// evidence that is there (duplicated, concurrent, ...) is found in any case, and then only passing is undecided.
package checks

import (
	"fmt"

	"taskbench/harness/ledger"
)

// A Check judges one property of a history.
type Check struct {
	Name, Doc string
	Judge     func(ledger.History) Verdict

	begin func(*scope) judge
}

// Outcome of a check. The zero value is Undecided: a check that says nothing has not passed.
type Outcome int

// The outcomes. Found means that there is something to tell; whether that is a failure is the scenario's to say.
const (
	Undecided Outcome = iota
	Pass
	Found
)

// String is "undecided", "pass" or "found".
func (o Outcome) String() string {
	switch o {
	case Undecided:
		return "undecided"
	case Pass:
		return "pass"
	case Found:
		return "found"
	}
	return fmt.Sprintf("outcome %d", int(o))
}

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
	Task uint64 // ledger.Foreign when it is about no single task
	ID   string // the task's id on the wire
	Text string
}
