package checks

import (
	"slices"
	"strings"
	"testing"

	"taskbench/harness/ledger"
)

// A run of a minute in which a task is published every 10 ms and finished 5 ms later, except between from and to
// (ms): what is published then finishes at to.
func pausing(from, to int64) *history {
	var tasks []ledger.Task
	for at := int64(10); at < 60_000; at += 10 {
		done := at
		if at >= from && at < to {
			done = to
		}
		task := ledger.Task{Due: at * ms, PublishStart: at * ms, PublishEnd: (at + 1) * ms, Publish: ledger.PublishOK}
		task.Attempts = []ledger.Attempt{ran(done+2, 2, ledger.OK)}
		tasks = append(tasks, task)
	}
	return given(tasks...).with(func(m *ledger.Meta) { m.DrainEnded = 61_000 * ms })
}

func fault(from, to int64) func(*ledger.Meta) {
	return func(m *ledger.Meta) { m.Faults = append(m.Faults, ledger.FaultSpan{At: from * ms, Healed: to * ms}) }
}

// until is what is known of the run at a time: what finishes later is still waiting.
func (h *history) until(at int64) *history {
	var n int
	for ; n < len(h.tasks) && h.tasks[n].PublishEnd < at*ms; n++ {
		if h.tasks[n].Attempts[0].Finished > at*ms {
			h.tasks[n].Attempts = nil
		}
	}
	h.tasks, h.due = h.tasks[:n], n
	return h.with(func(m *ledger.Meta) { m.DrainEnded, m.Drained, m.Left = at*ms, false, -1 })
}

func (h *history) change(f func(i int, t *ledger.Task)) *history {
	for i := range h.tasks {
		f(i, &h.tasks[i])
	}
	return h
}

// chaos is a run of a minute with a fault of two seconds every nine, from 10 s on, that is silent from the first of each
// pair of times to the second.
func chaos(silent ...int64) *history {
	h := pausing(0, 0)
	for at := int64(10_000); at < 50_000; at += 9_000 {
		h.with(fault(at, at+2_000))
	}
	return h.change(func(_ int, t *ledger.Task) {
		for i := 0; i < len(silent); i += 2 {
			if at := t.PublishStart / ms; at >= silent[i] && at < silent[i+1] {
				t.Attempts = []ledger.Attempt{ran(silent[i+1]+2, 2, ledger.OK)}
			}
		}
	})
}

// What was waiting is named, for whoever asks what became of it.
func TestStallNamesTasks(t *testing.T) {
	i := slices.IndexFunc(All(), func(c Check) bool { return c.Name == "stall" })
	v := All()[i].Judge(pausing(20_000, 29_000))
	if len(v.Findings) != 1 {
		t.Fatalf("findings %+v", v.Findings)
	}
	f := v.Findings[0]
	for _, seq := range []uint64{1999, 2000, 2001} {
		if id := testRun.ID(seq); !strings.Contains(f.Text, id) || seq == 1999 && f.ID != id {
			t.Errorf("task %s is not named: %+v", id, f)
		}
	}
}

func TestStall(t *testing.T) {
	long := pausing(20_000, 40_000).change(func(_ int, t *ledger.Task) { // each task takes 6 s
		t.Attempts[0].Finished = t.Attempts[0].Started + 6000*ms
	})
	const first = 20_000/10 - 1 // of the tasks that wait from 20 s on
	try(t, "stall", []trial{
		{"never silent", pausing(0, 0), Pass, 0, nil},
		{"silent for 7 s", pausing(20_000, 27_000), Pass, 0, nil},
		{"silent for 9 s", pausing(20_000, 29_000), Found, 1, []uint64{first}},
		{"found within ten seconds of its beginning", pausing(20_000, 50_000).until(30_000), Found, 1, []uint64{first}},
		{"silent for 14 s from the healing of a fault on", pausing(20_000, 34_500).with(fault(19_000, 20_500)), Pass, 0, nil},
		{"silent for 16 s from the healing of a fault on", pausing(20_000, 36_500).with(fault(19_000, 20_500)), Found, 1, nil},
		{"long after a fault", pausing(40_000, 49_000).with(fault(19_000, 20_500)), Found, 1, nil},
		{"the run's own bound", pausing(20_000, 23_000).with(func(m *ledger.Meta) { m.Settings = map[string]string{StallSetting: "2s"} }), Found, 1, nil},
		{"a bound of next to nothing, of a run that was cut short", given(acked(good(5))).with(settings(StallSetting, "1ns")).with(cutShort).with(func(m *ledger.Meta) { m.DrainEnded = 0 }), Undecided, 0, nil},
		{"a fault explains it", pausing(20_000, 50_000).with(fault(19_000, 45_000)), Pass, 0, nil},
		{"a fault that was healed does not explain what follows", pausing(20_000, 50_000).with(fault(19_000, 30_000)), Found, 1, nil},
		{"a fault that never healed explains all", pausing(20_000, 50_000).with(fault(19_000, 0)), Pass, 0, nil},
		{"a fault in its midst makes two of it", pausing(5_000, 50_000).with(fault(25_000, 26_000)), Found, 2, nil},
		{"silent under a fault every nine seconds", chaos(10_000, 58_000), Found, 1, []uint64{999}},
		{"silent under a fault every nine seconds, for 28 s without one", chaos(10_000, 48_000), Pass, 0, nil},
		{"back five seconds after each fault", chaos(10_000, 17_000, 19_000, 26_000, 28_000, 35_000, 37_000, 44_000, 46_000, 53_000), Pass, 0, nil},
		{"nobody waits after two of the faults", chaos(10_000, 58_000).change(func(_ int, t *ledger.Task) {
			if at := t.PublishStart; at >= 10_000*ms && at < 30_000*ms {
				t.Attempts = []ledger.Attempt{ran(at/ms+2, 2, ledger.OK)}
			}
		}), Pass, 0, nil},
		{"tasks that long take that long", long, Pass, 0, nil},
		{"nothing waited", pausing(20_000, 50_000).change(func(i int, t *ledger.Task) {
			if at := t.PublishStart; at >= 20_000*ms && at < 50_000*ms {
				*t = ledger.Task{Seq: t.Seq, Due: t.Due}
			}
		}), Pass, 0, nil},
		{"only lost tasks would have waited", given(acked(good(5)), acked()).with(func(m *ledger.Meta) { m.DrainEnded = 60_000 * ms }), Pass, 0, nil},
		{"stuck tasks wait until the end", given(acked(good(5)), acked()).with(left(1, 1)).with(func(m *ledger.Meta) { m.DrainEnded = 60_000 * ms }), Found, 1, nil},
		{"in the hands of a dead worker", given(acked(hangs(5), good(50_000)), acked(good(5))), Pass, 0, nil},
		{"waiting for their time", given(acked(good(50_000)), acked(good(50_001))).asking(ledger.Terms{ETA: 50_000 * ms}), Pass, 0, nil},
		{"not run when their time had come", given(acked(good(60_000)), acked(good(60_001))).asking(ledger.Terms{ETA: 50_000 * ms}), Found, 1, nil},
		{"waiting for its retry", given(acked(ran(5, 1, ledger.Retried), good(50_000)), acked(good(5))), Pass, 0, nil},
		{"given back and not received for long", given(acked(returned(got(5)), good(50_000)), acked(good(5))), Found, 1, nil},
		{"killed, and not received for long", given(acked(killed(5, 9), good(50_000)), acked(good(5))), Found, 1, nil},
		{"held for long by a live worker", given(acked(ledger.Attempt{Received: 5 * ms, Started: 50_000 * ms, Finished: 50_001 * ms, Outcome: ledger.OK})), Found, 1, nil},
		{"deaths are no sign of life", pausing(20_000, 36_000).change(func(_ int, t *ledger.Task) {
			if t.Due == 20_000*ms { // two workers die of it in the silence
				t.Attempts = []ledger.Attempt{killed(20_010, 25_000), killed(25_010, 30_000), t.Attempts[0]}
			}
		}), Found, 1, nil},
		{"gaps in the evidence", pausing(20_000, 36_000).with(gaps), Undecided, 1, nil},
		{"nothing acknowledged", given(unknown(good(5))), Undecided, 0, nil},
	})
}
