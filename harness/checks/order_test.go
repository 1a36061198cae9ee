package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

func inOrder(m *ledger.Meta) { m.Ordered = true }

// handed is tasks that were published 10 ms apart, the first at 2 ms, and received at the given times.
func handed(at ...int64) *history {
	var tasks []ledger.Task
	for _, t := range at {
		tasks = append(tasks, acked(good(t)))
	}
	return given(tasks...).with(inOrder).change(func(i int, t *ledger.Task) {
		t.PublishStart += int64(i) * 10 * ms
		t.PublishEnd += int64(i) * 10 * ms
	})
}

func TestOrder(t *testing.T) {
	keys := ledger.Terms{Keys: 2}
	two := handed(50, 40, 60, 70)
	two.meta.Terms = []ledger.Terms{{Queue: "a"}, {Queue: "b"}}
	two.change(func(i int, t *ledger.Task) { t.Terms = uint8(1 + i%2) })
	try(t, "order", []trial{
		{"in turn", handed(5, 20, 30, 40), Pass, 0, nil},
		{"one overtaken, by two", handed(5, 60, 30, 40, 70), Found, 1, []uint64{1}},
		{"two overtaken", handed(50, 60, 30, 70), Found, 2, []uint64{0, 1}},
		{"in the hands of one who was cut off, perhaps", handed(5, 60, 30, 40, 70).with(fault(25, 28)), Pass, 0, nil},
		{"a fault before explains nothing", handed(5, 60, 30, 40, 70).with(fault(1, 2)), Found, 1, []uint64{1}},
		{"published at the same time", handed(50, 40).change(func(_ int, t *ledger.Task) { t.PublishEnd = 30 * ms }), Pass, 0, nil},
		{"a later delivery of it does not count", handed(5, 20, 30).change(func(i int, t *ledger.Task) {
			if i == 0 {
				t.Attempts = []ledger.Attempt{killed(5, 9), good(90)}
			}
		}), Pass, 0, nil},
		{"another key", handed(50, 40, 60, 70).asking(keys), Pass, 0, nil},
		{"the same key", handed(70, 75, 30, 80).asking(keys), Found, 1, []uint64{0}},
		{"another queue", two, Pass, 0, nil},
		{"waited for its time", handed(50, 40).asking(ledger.Terms{ETA: 5}), Undecided, 0, nil},
		{"no order was promised", handed(50, 40).with(func(m *ledger.Meta) { m.Ordered = false }), Undecided, 0, nil},
		{"gaps in the evidence", handed(5, 20).with(gaps), Undecided, 0, nil},
	})
}

func TestRedeliveredEarly(t *testing.T) {
	long := ran(5, 500, ledger.OK) // and acknowledged at 507 ms
	try(t, "redelivered-early", []trial{
		{"once each, and again after its end", given(acked(good(5)), acked(good(5), good(60))), Pass, 0, nil},
		{"while another held it", given(acked(long, good(100)), acked(good(5))), Found, 1, []uint64{0}},
		{"twice while another held it", given(acked(long, good(100), good(130))), Found, 2, nil},
		{"the holder lived on and did not acknowledge", given(acked(unacked(long), good(100))), Found, 1, nil},
		{"the holder may have been dead", given(acked(hangs(5), good(100))), Pass, 0, nil},
		{"the holder was killed", given(acked(killed(5, 90), good(60))), Pass, 0, nil},
		{"given back", given(acked(returned(got(5)), good(7))), Pass, 0, nil},
		{"the next retry, before the acknowledgement", given(acked(ran(5, 10, ledger.Retried), good(16))), Pass, 0, nil},
		{"a fault cut the holder off", given(acked(long, good(100))).with(fault(50, 60)), Pass, 0, nil},
		{"a fault shortly before", given(acked(long, good(100))).with(fault(1, 2)), Pass, 0, nil},
		{"the broker's own timeout", given(acked(long, good(100))).with(settings(RedeliverAfterSetting, "50ms")), Pass, 0, nil},
		{"sooner than the broker's own timeout", given(acked(long, good(100))).with(settings(RedeliverAfterSetting, "200ms")), Found, 1, nil},
		{"acknowledged early", given(acked(ledger.Attempt{ID: 1, Received: 5 * ms, Acked: 6 * ms, Started: 7 * ms, Finished: 500 * ms, Outcome: ledger.OK}, good(100))), Pass, 0, nil},
		{"nothing received", given(acked()), Undecided, 0, nil},
		{"may yet come", given(acked(good(5))).with(undrained), Undecided, 0, nil},
	})
}

// died is a fault that ended worker-1 at a time.
func died(at int64) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Nodes = []string{"broker", "worker-1", "worker-2"}
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "kill", Node: "worker-1", At: at * ms, InEffect: (at + 1) * ms, Healed: (at + 500) * ms, Ends: true})
	}
}

// paused is a fault that worker-1 outlived.
func paused(at int64) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "pause", Node: "worker-1", At: at * ms, InEffect: (at + 1) * ms, Healed: (at + 500) * ms})
	}
}

func by(node uint16, a ledger.Attempt) ledger.Attempt { a.Node = node; return a }

func TestRedeliveredLate(t *testing.T) {
	held := by(1, hangs(5))
	try(t, "redelivered-late", []trial{
		{"soon", given(acked(held, by(2, good(3000)))).with(died(50)), Pass, 0, nil},
		{"after a minute and more", given(acked(held, by(2, good(61_000))), acked(held, by(2, good(500)))).with(died(50)), Found, 1, []uint64{0}},
		{"the run's own bound", given(acked(held, by(2, good(3000)))).with(died(50)).with(settings(RedeliverWithinSetting, "1s")), Found, 1, nil},
		{"not started yet", given(acked(by(1, got(5)), by(2, good(61_000)))).with(died(50)), Found, 1, nil},
		{"held by another that lived", given(acked(by(2, hangs(5)), good(61_000))).with(died(50)), Undecided, 0, nil},
		{"worked on after the fault", given(acked(by(1, unacked(ran(5, 200, ledger.OK))), good(61_000))).with(died(50)), Undecided, 0, nil},
		{"paused, and dead only much later", given(acked(held, by(2, good(90_000)))).with(paused(50)).with(died(89_000)), Pass, 0, nil},
		{"paused, and dead a while later", given(acked(held, by(2, good(90_000)))).with(paused(50)).with(died(100)), Found, 1, nil},
		{"paused alone", given(acked(held, by(2, good(90_000)))).with(died(100_000)).with(paused(50)), Undecided, 0, nil},
		{"never came back: that is loss", given(acked(held)).with(died(50)), Undecided, 0, nil},
		{"nobody died", given(acked(good(5))), Undecided, 0, nil},
	})
}

func TestDeadLetter(t *testing.T) {
	both := good(5)
	both.Malformed = true
	try(t, "dead-letter", []trial{
		{"kept aside and never run", given(acked(aside(got(5))), acked(good(5))), Pass, 0, nil},
		{"kept aside, and run by another later", given(acked(aside(got(5)), good(9))), Pass, 0, nil},
		{"failed and kept aside", given(acked(ran(5, 1, ledger.Failed), aside(got(20))), acked(good(5))), Pass, 0, nil},
		{"ended well and kept aside", given(acked(good(5), aside(got(30))), acked(good(5))), Found, 1, []uint64{0}},
		{"by the same attempt", given(acked(both)), Found, 1, nil},
		{"nothing ended well", given(acked(aside(got(5)))), Undecided, 0, nil},
		{"may yet come", given(acked(good(5))).with(undrained), Undecided, 0, nil},
	})
}

func stored(a ledger.Attempt) ledger.Attempt { a.Stored = a.Finished + ms/2; return a }

func TestOverwritten(t *testing.T) {
	try(t, "overwritten", []trial{
		{"one each", given(acked(stored(good(5))), acked(stored(ran(5, 1, ledger.Failed)))), Pass, 0, nil},
		{"a failure over a success", given(acked(stored(good(5)), stored(ran(30, 1, ledger.Failed))), acked(stored(good(5)))), Found, 1, []uint64{0}},
		{"three", given(acked(stored(good(5)), stored(good(30)), stored(good(60)))), Found, 2, nil},
		{"run twice, stored once", given(acked(good(5), stored(good(30)))), Pass, 0, nil},
		{"the word that a retry comes is no end", given(acked(stored(ran(5, 1, ledger.Retried)), stored(good(30)))), Pass, 0, nil},
		{"nothing stored", given(acked(good(5), good(30))), Undecided, 0, nil},
		{"may yet come", given(acked(stored(good(5)))).with(undrained), Undecided, 0, nil},
	})
}
