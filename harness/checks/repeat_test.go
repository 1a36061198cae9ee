package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

func TestDuplicated(t *testing.T) {
	try(t, "duplicated", []trial{
		{"once each", given(acked(good(5)), acked(ran(6, 1, ledger.Failed))), Pass, 0, nil},
		{"three times, and twice", given(acked(good(5), good(20), good(40)), acked(good(5)), acked(good(5), ran(20, 1, ledger.TimedOut))), Found, 3, []uint64{0, 2}},
		{"retries are not duplicates", given(acked(ran(5, 1, ledger.Retried), ran(10, 1, ledger.Retried), good(20))), Pass, 0, nil},
		{"nor are deaths", given(acked(killed(5, 9), hangs(12), good(20))), Pass, 0, nil},
		{"found in spite of doubt", given(acked(good(5), good(20))).with(cutShort), Found, 1, nil},
		{"may yet come", given(acked(good(5))).with(undrained), Undecided, 0, nil},
		{"nothing executed", given(acked()), Undecided, 0, nil},
	})
}

func TestConcurrent(t *testing.T) {
	try(t, "concurrent", []trial{
		{"one after the other", given(acked(good(5), good(30))), Pass, 0, nil},
		{"the second begins as the first ends", given(acked(ran(5, 4, ledger.OK), ran(9, 4, ledger.OK))), Pass, 0, nil},
		{"received first and run last", given(acked(ledger.Attempt{Received: 5 * ms, Started: 30 * ms, Finished: 40 * ms, Outcome: ledger.OK}, ran(9, 20, ledger.OK))), Pass, 0, nil},
		{"overlapping", given(acked(good(5), good(9)), acked(good(5)), acked(good(5), good(9), good(12))), Found, 2, []uint64{0, 2}},
		{"one within the other", given(acked(ran(5, 100, ledger.OK), ran(20, 5, ledger.Retried))), Found, 1, nil},
		{"one that hung before the other began may be dead", given(acked(hangs(5), good(9))), Pass, 0, nil},
		{"so may one that was killed", given(acked(killed(5, 30), good(9))), Pass, 0, nil},
		{"one that hung was alive at its start", given(acked(good(5), hangs(9))), Found, 1, nil},
		{"received while another ran is not run", given(acked(good(5), returned(got(9)))), Pass, 0, nil},
		{"nothing started", given(acked(got(5))), Undecided, 0, nil},
		{"gaps in the evidence", given(acked(good(5))).with(gaps), Undecided, 0, nil},
	})
}

func TestRetried(t *testing.T) {
	try(t, "retried", []trial{
		{"none", given(acked(good(5)), acked(ran(6, 1, ledger.Failed))), Pass, 0, nil},
		{"two and one", given(acked(ran(5, 1, ledger.Retried), ran(9, 1, ledger.Retried), good(20)), acked(good(5)), acked(ran(5, 1, ledger.Retried))), Found, 3, []uint64{0, 2}},
		{"nothing started", given(acked()), Undecided, 0, nil},
	})
}

func TestRedeliveredAfterAck(t *testing.T) {
	early := good(5)
	early.Acked = early.Received
	try(t, "redelivered-after-ack", []trial{
		{"not acknowledged", given(acked(unacked(good(5)), good(30)), acked(good(5))), Pass, 0, nil},
		{"acknowledged, and received twice more", given(acked(good(5), good(30), unacked(got(60))), acked(good(5))), Found, 2, []uint64{0, 0}},
		{"received before the acknowledgement", given(acked(good(5), good(9))), Pass, 0, nil},
		{"a retry is another message", given(acked(ran(5, 1, ledger.Retried), good(30))), Pass, 0, nil},
		{"acknowledged early, received again while it ran", given(acked(early, got(10))), Pass, 0, nil},
		{"acknowledged early, received again after its end", given(acked(early, got(30))), Found, 1, nil},
		{"known by its start alone", given(acked(good(5), ledger.Attempt{Started: 40 * ms})), Found, 1, nil},
		{"nothing acknowledged", given(acked(unacked(good(5)))), Undecided, 0, nil},
	})
}

func TestMalformed(t *testing.T) {
	alien := given(acked(good(5)))
	alien.foreign = []ledger.Event{{Task: ledger.Foreign, Kind: ledger.Malformed, At: 5 * ms}, {Task: ledger.Foreign, Kind: ledger.Received}}
	alien.aliens = 2
	many := given(acked(good(5)))
	many.aliens = 5000
	try(t, "malformed", []trial{
		{"all read", given(acked(good(5))), Pass, 0, nil},
		{"kept aside, once and twice", given(acked(aside(got(5))), acked(good(5)), acked(aside(got(5)), aside(got(9)))), Found, 3, []uint64{0, 2, 2}},
		{"another run's", alien, Found, 1, []uint64{ledger.Foreign}},
		{"more of other runs than were kept", many, Undecided, 0, nil},
		{"nothing received", given(acked()), Undecided, 0, nil},
	})
}
