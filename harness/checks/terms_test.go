package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

// asking gives every task of a history the same terms.
func (h *history) asking(terms ledger.Terms) *history {
	h.meta.Terms = []ledger.Terms{terms}
	return h.change(func(_ int, t *ledger.Task) { t.Terms = 1 })
}

// unrun is an attempt that was acknowledged and never started.
func unrun(at int64) ledger.Attempt {
	return ledger.Attempt{Received: at * ms, Acked: (at + 1) * ms, PID: 7}
}

func settings(key, value string) func(*ledger.Meta) {
	return func(m *ledger.Meta) { m.Settings = map[string]string{key: value} }
}

// Tasks of these histories are due at 1 ms.
func TestEtaEarly(t *testing.T) {
	wait := ledger.Terms{ETA: 100 * ms}
	try(t, "eta-early", []trial{
		{"at its time", given(acked(good(100)), acked(good(300))).asking(wait), Pass, 0, nil},
		{"as much too early as clocks may be apart", given(acked(good(85))).asking(wait), Pass, 0, nil},
		{"held from long before", given(acked(ledger.Attempt{Received: 5 * ms, Started: 101 * ms, Finished: 102 * ms, Outcome: ledger.OK})).asking(wait), Pass, 0, nil},
		{"too early, and one of them twice", given(acked(good(70)), acked(good(100)), acked(good(5), good(30))).asking(wait), Found, 3, []uint64{0, 2, 2}},
		{"need not wait", given(acked(good(5))).asking(ledger.Terms{Task: "io"}), Undecided, 0, nil},
		{"gaps in the evidence", given(acked(good(100))).asking(wait).with(gaps), Undecided, 0, nil},
	})
}

func TestEtaLate(t *testing.T) {
	wait := ledger.Terms{ETA: 100 * ms}
	try(t, "eta-late", []trial{
		{"in time", given(acked(good(100)), acked(good(4900))).asking(wait), Pass, 0, nil},
		{"six seconds late", given(acked(good(100)), acked(good(6200))).asking(wait), Found, 1, []uint64{1}},
		{"the run's own bound", given(acked(good(100)), acked(good(1200))).asking(wait).with(settings(ETALateSetting, "1s")), Found, 1, nil},
		{"a fault explains it", given(acked(good(100)), acked(good(6200))).asking(wait).with(fault(2000, 3000)), Pass, 0, nil},
		{"only the first start counts", given(acked(killed(101, 105), good(9000))).asking(wait), Pass, 0, nil},
		{"published late", given(acked(good(9000))).asking(wait).change(func(_ int, t *ledger.Task) { t.PublishEnd = 8000 * ms }), Pass, 0, nil},
		{"need not wait", given(acked(good(9000))).asking(ledger.Terms{}), Undecided, 0, nil},
	})
}

func TestExpired(t *testing.T) {
	brief := ledger.Terms{Expires: 100 * ms}
	try(t, "expired", []trial{
		{"in time", given(acked(good(5)), acked(good(110))).asking(brief), Pass, 0, nil},
		{"acknowledged unrun", given(acked(unrun(200))).asking(brief), Pass, 0, nil},
		{"too late", given(acked(good(200)), acked(good(5), good(150))).asking(brief), Found, 2, []uint64{0, 1}},
		{"never expires", given(acked(good(200))).asking(ledger.Terms{}), Undecided, 0, nil},
		{"never received", given(acked()).asking(brief), Undecided, 0, nil},
	})
}

func TestLapsed(t *testing.T) {
	brief := ledger.Terms{Expires: 100 * ms}
	lapses := given(acked(unrun(200)), acked(good(5))).asking(brief)
	try(t, "lapsed", []trial{
		{"in time", given(acked(good(5))).asking(brief), Pass, 0, nil},
		{"acknowledged unrun", lapses, Found, 1, []uint64{0}},
		{"acknowledged unrun and too soon: that is loss", given(acked(unrun(30))).asking(brief), Pass, 0, nil},
		{"run after all", given(acked(unrun(200), good(300))).asking(brief), Pass, 0, nil},
		{"never expires", given(acked(unrun(200))).asking(ledger.Terms{}), Undecided, 0, nil},
		{"may yet be taken", given(acked(good(5))).asking(brief).with(undrained), Undecided, 0, nil},
	})
	if r := Run(lapses); r.Counts.Lost != 0 || r.Broken() != "" {
		t.Errorf("what has lapsed is lost, %d, or in no class: %q", r.Counts.Lost, r.Broken())
	}
	if r := Run(given(acked(unrun(30))).asking(brief)); r.Counts.Lost != 1 || r.Broken() != "" {
		t.Errorf("what was acknowledged unrun before it expired is not lost: %d, %q", r.Counts.Lost, r.Broken())
	}
}

func TestRetryCount(t *testing.T) {
	twice := ledger.Terms{Task: "fail", Retries: 2}
	retry := func(at int64) ledger.Attempt { return ran(at, 1, ledger.Retried) }
	try(t, "retry-count", []trial{
		{"twice, as asked", given(acked(retry(5), retry(20), good(40)), acked(retry(5), retry(20), ran(40, 1, ledger.Failed))).asking(twice), Pass, 0, nil},
		{"not yet over", given(acked(retry(5))).asking(twice), Pass, 0, nil},
		{"one too many", given(acked(retry(5), retry(20), retry(30), good(40))).asking(twice), Found, 1, nil},
		{"none of two", given(acked(good(5))).asking(twice), Found, 2, nil},
		{"cut off before its last", given(acked(retry(5), ran(20, 1, ledger.TimedOut))).asking(twice), Pass, 0, nil},
		{"run twice through", given(acked(retry(5), retry(6), retry(20), retry(21), good(40), good(41))).asking(twice), Pass, 0, nil},
		{"its end run twice", given(acked(retry(5), retry(20), good(40), good(60))).asking(twice), Pass, 0, nil},
		{"asked again after a death", given(acked(unacked(retry(5)), retry(20), retry(30), good(40))).asking(twice), Pass, 0, nil},
		{"asked, and was to ask for none", given(acked(retry(5), good(20))).asking(ledger.Terms{Task: "io"}), Found, 1, nil},
		{"nobody knows what was asked", given(acked(retry(5), good(20))), Undecided, 0, nil},
	})
}

func TestTimeLimit(t *testing.T) {
	second := ledger.Terms{Limit: 1000 * ms}
	try(t, "time-limit", []trial{
		{"short, cut off at it, and killed a little after it", given(acked(good(5)), acked(ran(5, 1001, ledger.TimedOut)), acked(ran(5, 2500, ledger.Killed))).asking(second), Pass, 0, nil},
		{"ran on to its end", given(acked(ran(5, 3500, ledger.OK)), acked(good(5))).asking(second), Found, 1, []uint64{0}},
		{"cut off too late, and too soon", given(acked(ran(5, 3100, ledger.TimedOut)), acked(ran(5, 500, ledger.TimedOut))).asking(second), Found, 2, []uint64{0, 1}},
		{"failed by itself before", given(acked(ran(5, 500, ledger.Failed))).asking(second), Pass, 0, nil},
		{"its end is not known", given(acked(hangs(5))).asking(second), Undecided, 0, nil},
		{"its worker stood still", given(acked(ran(5, 3500, ledger.TimedOut)), acked(good(5))).asking(second).with(onWorker(900, 3400)), Pass, 0, nil},
		{"its worker had stood still", given(acked(ran(5, 3500, ledger.TimedOut)), acked(good(5))).asking(second).with(onWorker(100, 900)), Found, 1, nil},
		{"has no limit", given(acked(ran(5, 9000, ledger.OK))).asking(ledger.Terms{}), Undecided, 0, nil},
	})
}

// onWorker is a fault on the worker that has all attempts.
func onWorker(from, to int64) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Nodes = []string{"worker-1"}
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "pause", Node: "worker-1", At: from * ms, Healed: to * ms})
	}
}

// told is an attempt whose task was told of its soft limit so long after its start.
func told(a ledger.Attempt, after int64) ledger.Attempt { a.Told = a.Started + after*ms; return a }

func TestSoftLimit(t *testing.T) {
	second := ledger.Terms{Soft: 1000 * ms}
	deaf := told(ran(5, 9000, ledger.OK), 1001)
	try(t, "soft-limit", []trial{
		{"short, told at it, a little after it, not heeding it, and hung", given(acked(good(5)), acked(told(ran(5, 1001, ledger.TimedOut), 1000)),
			acked(told(ran(5, 2700, ledger.Failed), 2500)), acked(deaf), acked(told(hangs(5), 1000))).asking(second), Pass, 0, nil},
		{"ended a little after it, by itself", given(acked(ran(5, 1500, ledger.OK))).asking(second), Pass, 0, nil},
		{"not told, told too late, too soon, and when it had ended", given(acked(ran(5, 3500, ledger.OK)), acked(told(ran(5, 3500, ledger.TimedOut), 3100)),
			acked(told(ran(5, 501, ledger.TimedOut), 500)), acked(told(ran(5, 960, ledger.OK), 1000)), acked(deaf)).asking(second), Found, 4, []uint64{0, 1, 2, 3}},
		{"told too soon, and its end is not known", given(acked(told(hangs(5), 500))).asking(second), Found, 1, nil},
		{"killed at its hard limit without a word", given(acked(ran(5, 3100, ledger.TimedOut))).asking(second), Found, 1, nil},
		{"its worker stood still", given(acked(told(ran(5, 3500, ledger.TimedOut), 3400)), acked(good(5))).asking(second).with(onWorker(900, 3300)), Pass, 0, nil},
		{"its worker had stood still", given(acked(told(ran(5, 3500, ledger.TimedOut), 3400))).asking(second).with(onWorker(100, 900)), Found, 1, nil},
		{"a fault elsewhere explains nothing", given(acked(ran(5, 3500, ledger.OK))).asking(second).with(onWorker(900, 3300)).with(fault(900, 3300)).
			with(func(m *ledger.Meta) { m.Nodes = []string{"worker-2"} }), Found, 1, nil},
		{"its word may be in a gap", given(acked(ran(5, 3500, ledger.OK))).asking(second).with(gaps), Undecided, 0, nil},
		{"nothing is known", given(acked(hangs(5))).asking(second), Undecided, 0, nil},
		{"has no soft limit", given(acked(ran(5, 9000, ledger.OK))).asking(ledger.Terms{Limit: 1}), Undecided, 0, nil},
	})
}
