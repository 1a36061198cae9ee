package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

func TestLost(t *testing.T) {
	try(t, "lost", []trial{
		{"all executed", given(acked(good(5)), acked(ran(6, 1, ledger.Failed)), acked(ran(7, 1, ledger.TimedOut))), Pass, 0, nil},
		{"one never delivered, one hung, one asked for a retry that never came",
			given(acked(good(5)), acked(), acked(hangs(5)), acked(ran(5, 1, ledger.Retried))), Found, 3, []uint64{1, 2, 3}},
		{"killed and run again", given(acked(killed(5, 9), good(20))), Pass, 0, nil},
		{"killed for good", given(acked(killed(5, 9))), Found, 1, nil},
		{"a duplicate hides no loss", given(acked(good(5), good(9)), acked()), Found, 1, []uint64{1}},
		{"refused and unknown are not lost", given(acked(good(5)), failed(), unknown(), begun()), Pass, 0, nil},
		{"kept aside is not lost", given(acked(good(5)), acked(aside(got(5)))), Pass, 0, nil},
		{"kept aside by one and executed by another", given(acked(aside(got(5)), good(9))), Pass, 0, nil},
		{"not drained", given(acked(good(5)), acked(), acked()).with(undrained), Undecided, 2, nil},
		{"left in the broker, by name", given(acked(good(5)), acked(), acked()).with(left(1, 2)), Undecided, 1, []uint64{1}},
		{"left in the broker, without names", given(acked(good(5)), acked(), acked()).with(left(1)), Undecided, 1, nil},
		{"more left than missing", given(acked(good(5)), acked()).with(left(9)), Undecided, 0, nil},
		{"drained, it was said, and something is left all the same", given(acked(good(5)), acked()).with(func(m *ledger.Meta) { m.Left = 1 }), Undecided, 0, nil},
		{"cut short", given(acked(good(5)), acked()).with(cutShort), Undecided, 1, nil},
		{"gaps in the evidence", given(acked(good(5)), acked()).with(gaps), Undecided, 1, nil},
		{"nothing acknowledged", given(failed(), unknown(good(5))), Undecided, 0, nil},
		{"empty", given(), Undecided, 0, nil},
	})
}

func TestPhantomConfirm(t *testing.T) {
	try(t, "phantom-confirm", []trial{
		{"lost by the worker", given(acked(hangs(5)), acked(good(5))), Pass, 0, nil},
		{"never delivered", given(acked(), acked(hangs(5)), acked()), Found, 2, []uint64{0, 2}},
		{"perhaps to come", given(acked(), acked()).with(left(1)), Undecided, 1, nil},
		{"known to be there", given(acked(), acked()).with(left(2, 0, 1)), Undecided, 0, nil},
		{"gaps in the evidence", given(acked()).with(gaps), Undecided, 1, nil},
		{"not acknowledged", given(unknown()), Undecided, 0, nil},
	})
}

func TestOrphaned(t *testing.T) {
	try(t, "orphaned", []trial{
		{"run again", given(acked(hangs(5), good(9)), acked(killed(5, 7), good(9))), Pass, 0, nil},
		{"not run again", given(acked(hangs(5)), acked(killed(5, 7)), acked(good(5), hangs(30))), Found, 2, []uint64{0, 1}},
		{"received again and not started", given(acked(hangs(5), got(9))), Found, 1, nil},
		{"of an unknown publish", given(unknown(hangs(5))), Found, 1, nil},
		{"a retry that never came is lost, not orphaned", given(acked(ran(5, 1, ledger.Retried))), Pass, 0, nil},
		{"only the last start counts", given(acked(killed(5, 7), ran(9, 1, ledger.Retried)), acked(ran(5, 1, ledger.Retried), killed(9, 12))), Found, 1, []uint64{1}},
		{"kept aside after its deaths", given(acked(killed(5, 7), aside(got(9)))), Pass, 0, nil},
		{"may yet end", given(acked(hangs(5))).with(undrained), Undecided, 1, nil},
		{"still in the broker", given(acked(hangs(5)), acked(good(1))).with(left(1, 0)), Undecided, 0, nil},
		{"never started", given(acked(got(5))), Undecided, 0, nil},
	})
}

func TestStuck(t *testing.T) {
	try(t, "stuck", []trial{
		{"drained", given(acked(good(5)), acked()), Pass, 0, nil},
		{"left, by name", given(acked(good(5)), acked(), acked(), unknown()).with(left(3, 0, 1, 3)), Found, 2, []uint64{1, 3}},
		{"left, without names", given(acked(good(5)), acked(), acked()).with(left(9)), Found, 2, []uint64{ledger.Foreign}},
		{"left, but none is missing", given(acked(good(5))).with(left(2)), Pass, 0, nil},
		{"how much is not known", given(acked(good(5)), acked()).with(undrained), Undecided, 0, nil},
		{"cut short", given(acked(good(5))).with(cutShort), Undecided, 0, nil},
		{"nothing published", given(ledger.Task{}), Undecided, 0, nil},
	})
}

func TestRecovered(t *testing.T) {
	try(t, "recovered", []trial{
		{"unknown and not executed", given(unknown(), begun(), acked(good(5))), Pass, 0, nil},
		{"unknown and executed", given(unknown(good(5)), unknown(), begun(good(6)), acked(good(5)), unknown(hangs(9))), Found, 2, []uint64{0, 2}},
		{"not drained", given(unknown()).with(undrained), Undecided, 0, nil},
		{"found in spite of doubt", given(unknown(good(5))).with(gaps), Found, 1, nil},
		{"all known", given(acked(good(5)), failed()), Undecided, 0, nil},
	})
}

func TestUnexpected(t *testing.T) {
	stray := given(acked(good(5)), ledger.Task{Attempts: []ledger.Attempt{good(6)}}, ledger.Task{Attempts: []ledger.Attempt{got(6)}})
	stray.due = 1
	try(t, "unexpected", []trial{
		{"attempted", given(acked(good(5)), unknown(good(5)), begun(good(6)), failed(good(5))), Pass, 0, nil},
		{"due and never published", given(acked(good(5)), ledger.Task{Due: ms, Attempts: []ledger.Attempt{good(6)}}), Found, 1, []uint64{1}},
		{"never due", stray, Found, 1, []uint64{1}},
		{"nothing executed", given(acked()), Undecided, 0, nil},
		{"gaps in the evidence", given(acked(good(5))).with(gaps), Undecided, 0, nil},
	})
}

func TestRefused(t *testing.T) {
	try(t, "refused", []trial{
		{"not stored", given(failed(), acked(good(5))), Pass, 0, nil},
		{"stored all the same", given(failed(good(5)), failed(), failed(got(6))), Found, 2, []uint64{0, 2}},
		{"may yet come", given(failed()).with(undrained), Undecided, 0, nil},
		{"none refused", given(acked(good(5))), Undecided, 0, nil},
	})
}
