package checks

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"taskbench/harness/ledger"
)

const ms = int64(1_000_000)

// history is one made by hand. Without words to the contrary it is drained, and ended at 1 s.
type history struct {
	meta    ledger.Meta
	tasks   []ledger.Task
	due     int
	foreign []ledger.Event
	aliens  int
}

func (h *history) Meta() ledger.Meta              { return h.meta }
func (h *history) Len() int                       { return h.due }
func (h *history) Task(i int) ledger.Task         { return h.tasks[i] }
func (h *history) All() iter.Seq[ledger.Task]     { return slices.Values(h.tasks) }
func (h *history) Foreign() ([]ledger.Event, int) { return h.foreign, h.aliens }

var testRun = ledger.NewRun(rand.NewPCG(1, 1))

func given(tasks ...ledger.Task) *history {
	for i := range tasks {
		tasks[i].Seq = uint64(i)
		for j := range tasks[i].Attempts {
			tasks[i].Attempts[j].ID = uint64(100*i + j)
		}
	}
	return &history{tasks: tasks, due: len(tasks), meta: ledger.Meta{Run: testRun.Tag(), Drained: true, DrainEnded: 1000 * ms}}
}

func (h *history) with(change func(*ledger.Meta)) *history { change(&h.meta); return h }
func undrained(m *ledger.Meta)                             { m.Drained, m.Left = false, -1 }
func cutShort(m *ledger.Meta)                              { m.Drained, m.Left, m.Aborted = false, -1, "interrupted" }
func gaps(m *ledger.Meta)                                  { m.Unrecorded = 3 }
func left(n int, ids ...uint64) func(*ledger.Meta) {
	return func(m *ledger.Meta) { m.Drained, m.Left, m.LeftIDs = false, n, ids }
}

func published(o ledger.PublishOutcome, attempts ...ledger.Attempt) ledger.Task {
	return ledger.Task{Due: 1 * ms, PublishStart: 2 * ms, PublishEnd: 3 * ms, Publish: o, Attempts: attempts}
}

func acked(attempts ...ledger.Attempt) ledger.Task { return published(ledger.PublishOK, attempts...) }
func failed(attempts ...ledger.Attempt) ledger.Task {
	return published(ledger.PublishFailed, attempts...)
}
func unknown(attempts ...ledger.Attempt) ledger.Task {
	return published(ledger.PublishUnknown, attempts...)
}
func begun(attempts ...ledger.Attempt) ledger.Task {
	return ledger.Task{Due: ms, PublishStart: 2 * ms, Attempts: attempts}
}

// ran is an attempt that was received at a time, started 1 ms later, ended after dur, and was acknowledged 1 ms later.
func ran(at, dur int64, o ledger.Outcome) ledger.Attempt {
	return ledger.Attempt{Received: at * ms, Started: (at + 1) * ms, Finished: (at + 1 + dur) * ms, Acked: (at + 2 + dur) * ms, Outcome: o, PID: 7}
}

func unacked(a ledger.Attempt) ledger.Attempt { a.Acked = 0; return a }
func got(at int64) ledger.Attempt             { return ledger.Attempt{Received: at * ms, PID: 7} }
func hangs(at int64) ledger.Attempt {
	return ledger.Attempt{Received: at * ms, Started: (at + 1) * ms, PID: 7}
}
func returned(a ledger.Attempt) ledger.Attempt { a.Returned = true; return a }
func aside(a ledger.Attempt) ledger.Attempt    { a.Malformed = true; return a }
func killed(at, noticed int64) ledger.Attempt  { return unacked(ran(at, noticed-at-1, ledger.Killed)) }
func good(at int64) ledger.Attempt             { return ran(at, 10, ledger.OK) }

// A trial is a history and what one check must say of it.
type trial struct {
	name    string
	h       *history
	outcome Outcome
	count   int
	tasks   []uint64 // that the findings are about, where it matters
}

// try runs the trials of the check named, and demands that one of them is good and one bad.
func try(t *testing.T, check string, trials []trial) {
	t.Helper()
	i := slices.IndexFunc(All(), func(c Check) bool { return c.Name == check })
	if i < 0 {
		t.Fatalf("there is no check %s", check)
	}
	seen := map[Outcome]bool{}
	for _, tt := range trials {
		v := All()[i].Judge(tt.h)
		seen[v.Outcome] = true
		if v.Outcome != tt.outcome || v.Count != tt.count {
			t.Errorf("%s: %s with count %d (%s), want %s with %d; findings %+v", tt.name, v.Outcome, v.Count, v.Why, tt.outcome, tt.count, v.Findings)
		}
		if (v.Outcome == Undecided) != (v.Why != "") {
			t.Errorf("%s: %s because %q", tt.name, v.Outcome, v.Why)
		}
		if v.Outcome != Undecided && v.Examined == 0 {
			t.Errorf("%s: %s without having examined anything", tt.name, v.Outcome)
		}
		var about []uint64
		for _, f := range v.Findings {
			about = append(about, f.Task)
			if seq, ok := testRun.Parse(f.ID); f.Text == "" || f.Task != ledger.Foreign && (!ok || seq != f.Task) {
				t.Errorf("%s: finding %+v", tt.name, f)
			}
		}
		if tt.tasks != nil && !slices.Equal(about, tt.tasks) {
			t.Errorf("%s: findings about %v, want %v", tt.name, about, tt.tasks)
		}
		// All checks in one pass say the same.
		if r := Run(tt.h).Verdict(check); r.Outcome != v.Outcome || r.Count != v.Count || len(r.Findings) != len(v.Findings) {
			t.Errorf("%s: alone %+v, among all %+v", tt.name, v, r)
		}
	}
	onDisk(t, check, trials)
	if !seen[Pass] || !seen[Found] {
		t.Errorf("the trials of %s show %v: there must be one that passes and one that is found", check, seen)
	}
}
