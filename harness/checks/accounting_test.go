package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

func one(change func(*ledger.Task)) *history {
	h := given(acked(good(5)))
	change(&h.tasks[0])
	return h
}

func attempt(change func(*ledger.Attempt)) *history {
	return one(func(t *ledger.Task) { change(&t.Attempts[0]) })
}

func tally(due, ok, failed, executed, duplicates int) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Tally = &ledger.Tally{Due: due, OK: ok, Failed: failed, Executed: executed, Duplicates: duplicates}
	}
}

func TestAccounting(t *testing.T) {
	everything := func() *history {
		h := given(acked(good(5), good(30)), acked(), acked(aside(got(9))), acked(killed(5, 7), good(9)), acked(ran(5, 1, ledger.Retried)), failed(), unknown(),
			unknown(good(5)), begun(), failed(good(9)), ledger.Task{Due: ms}, acked(hangs(9)),
			ledger.Task{Attempts: []ledger.Attempt{good(5)}})
		h.due = 12
		return h
	}
	try(t, "accounting", []trial{
		{"everything at once", everything().with(left(1, 1)), Pass, 0, nil},
		{"the recorder agrees", everything().with(tally(12, 6, 2, 4, 1)), Pass, 0, nil},
		{"the recorder counted more acknowledged", everything().with(tally(12, 7, 2, 4, 1)), Found, 1, nil},
		{"more refused, which makes the recorder's publishes one too many", everything().with(tally(12, 6, 3, 4, 1)), Found, 1, nil},
		{"a stray comes twice", func() *history { h := everything(); h.tasks = append(h.tasks, h.tasks[12]); return h }(), Found, 1, nil},
		{"fewer executed, more duplicates, one more due", everything().with(tally(13, 6, 2, 3, 2)), Found, 3, nil},
		{"fewer tasks than were due", func() *history { h := everything(); h.due = 15; return h }(), Found, 1, nil},
		{"a task is missing from the history", func() *history {
			h := given(acked(good(5)), acked(good(5)), acked(good(5)))
			h.tasks = append(h.tasks[:1], h.tasks[2])
			h.due = 3
			return h
		}(), Found, 2, nil},
		{"a task comes twice", func() *history { h := given(acked(good(5)), acked(good(5))); h.tasks[1].Seq = 0; return h }(), Found, 1, nil},
		{"an outcome that does not exist", one(func(t *ledger.Task) { t.Publish = 9 }), Found, 3, nil},
		{"a publish that never began", one(func(t *ledger.Task) { t.PublishStart = 0 }), Found, 1, nil},
		{"a publish that ended before it began", one(func(t *ledger.Task) { t.PublishEnd = ms }), Found, 1, nil},
		{"a publish that ended without an outcome", one(func(t *ledger.Task) { t.Publish = ledger.Unpublished }), Found, 1, nil},
		{"an attempt's outcome that does not exist", attempt(func(a *ledger.Attempt) { a.Outcome = 6 }), Found, 1, nil},
		{"an outcome without an end", attempt(func(a *ledger.Attempt) { a.Finished = 0 }), Found, 1, nil},
		{"an end without an outcome", attempt(func(a *ledger.Attempt) { a.Outcome = ledger.None }), Found, 1, nil},
		{"an end before the start", attempt(func(a *ledger.Attempt) { a.Finished = a.Started - ms }), Found, 1, nil},
		{"a start before the publish", attempt(func(a *ledger.Attempt) { a.Received = ms }), Found, 1, nil},
		{"clocks that are a little apart", attempt(func(a *ledger.Attempt) { a.Received = 2*ms - slack }), Pass, 0, nil},
		{"empty", given(), Undecided, 0, nil},
	})
}
