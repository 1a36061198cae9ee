package checks

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"taskbench/harness/ledger"
)

// watched is a run of a minute with one quantity of a worker, four times a second, with some noise.
func watched(what string, of func(second float64) float64) *history {
	noise := rand.New(rand.NewPCG(5, 5))
	s := ledger.Series{Node: "worker-1", What: what}
	for i := range 240 {
		at := float64(i) / 4
		v := of(at)
		s.At, s.Of = append(s.At, int64(at*1e9)), append(s.Of, v+v/200*noise.NormFloat64())
	}
	return given(acked(good(5))).with(func(m *ledger.Meta) { m.DrainEnded, m.Series = 60_000*ms, []ledger.Series{s} })
}

func TestGrowth(t *testing.T) {
	const mib = 1 << 20
	flat := func(float64) float64 { return 60 * mib }
	leak := func(at float64) float64 { return (60 + at) * mib }
	short := watched("rss", leak)
	short.meta.Series[0].At = short.meta.Series[0].At[:70]
	try(t, "growth", []trial{
		{"flat", watched("rss", flat), Pass, 0, nil},
		{"a MiB a second", watched("rss", leak), Found, 1, []uint64{ledger.Foreign}},
		{"rises while it warms up", watched("rss", func(at float64) float64 { return (60 + 60*(1-math.Exp(-at/5))) * mib }), Pass, 0, nil},
		{"a step", watched("rss", func(at float64) float64 { return (60 + 60*math.Round(at/60)) * mib }), Pass, 0, nil},
		{"saw teeth", watched("rss", func(at float64) float64 { return (60 + 4*math.Mod(at, 10)) * mib }), Pass, 0, nil},
		{"a trifle", watched("rss", func(at float64) float64 { return 60*mib + 1000*at }), Pass, 0, nil},
		{"file descriptors", watched("fds", func(at float64) float64 { return 20 + at }), Found, 1, nil},
		{"unacknowledged messages", watched("unacked", func(at float64) float64 { return 10 * at }), Found, 1, nil},
		{"falling", watched("rss", func(at float64) float64 { return (160 - at) * mib }), Pass, 0, nil},
		{"too short", short, Undecided, 0, nil},
		{"always some fault", watched("rss", leak).with(fault(10_000, 25_000)).with(fault(30_000, 45_000)), Undecided, 0, nil},
		{"one fault, that the stretch leaves out", watched("rss", leak).with(fault(5_000, 8_000)), Found, 1, nil},
		{"not watched", given(acked(good(5))), Undecided, 0, nil},
	})
}

// hurt is a run of a minute with a task each 100 ms and a fault from 10 s to 12 s. Of the publishes from lost on none is
// acknowledged, of the tasks that are received from idle on none finishes.
func hurt(lost, idle int64) *history {
	var tasks []ledger.Task
	for at := int64(0); at < 60_000; at += 100 {
		task := ledger.Task{Due: at * ms, PublishStart: (at + 1) * ms, PublishEnd: (at + 2) * ms, Publish: ledger.PublishOK}
		switch {
		case at >= lost:
			task.Publish = ledger.PublishUnknown
		case at >= idle:
			task.Attempts = []ledger.Attempt{got(at + 3)}
		default:
			task.Attempts = []ledger.Attempt{good(at + 3)}
		}
		tasks = append(tasks, task)
	}
	return given(tasks...).with(fault(10_000, 12_000)).with(func(m *ledger.Meta) { m.DrainEnded = 61_000 * ms })
}

// often is a run with a fault every five seconds from 10 s to 27 s, after each of which everything is back in three; but
// nothing is acknowledged until a time, or nothing finishes. The bound is five seconds.
func often(heard, finished int64) *history {
	h := hurt(99_000, 99_000).with(settings(RecoverWithinSetting, "5s")).with(fault(16_000, 17_000)).with(fault(21_000, 22_000)).with(fault(26_000, 27_000))
	return h.change(func(_ int, t *ledger.Task) {
		at := t.PublishStart / ms
		down := at >= 10_000 && at < 30_000 && (at-2_000)%5_000 < 3_000
		switch {
		case at < 10_000:
		case at < heard || down && finished == 0:
			t.Publish, t.Attempts = ledger.PublishUnknown, nil
		case at < finished:
			t.Attempts = []ledger.Attempt{got(at + 3)}
		}
	})
}

// under tells whether one of the faults of often is in force.
func under(at int64) bool {
	return slices.ContainsFunc(often(0, 0).meta.Faults, func(f ledger.FaultSpan) bool { return at >= f.At && at <= f.Healed })
}

func atTheEnd(m *ledger.Meta) { m.Faults[0].Healed = 59_000 * ms }

func TestUnrecovered(t *testing.T) {
	const never = 99_000
	try(t, "unrecovered", []trial{
		{"both sides came back", hurt(never, never), Pass, 0, nil},
		{"nothing is acknowledged any more", hurt(10_000, never), Found, 1, []uint64{120}},
		{"nothing finishes any more", hurt(never, 10_000), Found, 1, []uint64{120}},
		{"each later than the bound", hurt(never, never).change(func(_ int, t *ledger.Task) {
			if t.PublishStart > 12_000*ms && t.PublishStart < 50_000*ms {
				*t = ledger.Task{Seq: t.Seq, Due: t.Due, PublishStart: t.PublishStart, PublishEnd: t.PublishEnd, Publish: ledger.PublishFailed}
			}
		}), Found, 1, nil},
		{"the run's own bound", hurt(never, never).change(func(_ int, t *ledger.Task) {
			if t.PublishStart > 12_000*ms && t.PublishStart < 20_000*ms {
				t.Publish, t.Attempts = ledger.PublishFailed, nil
			}
		}).with(settings(RecoverWithinSetting, "5s")), Found, 1, nil},
		{"another fault followed", hurt(10_000, never).with(fault(15_000, 50_000)), Undecided, 0, nil},
		{"faults that follow one another, and nothing is acknowledged between them", often(26_500, 0), Found, 1, nil},
		{"faults that follow one another, and nothing finishes between them", often(0, 26_500), Found, 1, nil},
		{"faults that follow one another, and it is back three seconds after each", often(0, 0), Pass, 0, nil},
		{"faults that follow one another, and it is back nine seconds after the first one's healing", often(21_000, 0), Pass, 0, nil},
		{"faults that follow one another, and only under them publishes are tried", often(26_500, 0).change(func(_ int, t *ledger.Task) {
			if at := t.PublishStart; at >= 12_000*ms && at < 26_000*ms && !under(at) {
				*t = ledger.Task{Seq: t.Seq, Due: t.Due}
			}
		}), Pass, 0, nil},
		{"faults that follow one another without an end", often(26_500, 0).with(fault(13_000, 0)), Undecided, 0, nil},
		{"healed at the end, and both sides came back", hurt(never, never).with(atTheEnd), Pass, 0, nil},
		{"healed at the end, and not acknowledged yet", hurt(10_000, never).with(atTheEnd), Undecided, 0, nil},
		{"healed at the end, acknowledged and not finished yet", hurt(never, 10_000).with(atTheEnd), Pass, 0, nil},
		{"gaps in the evidence", hurt(never, 10_000).with(gaps), Undecided, 1, nil},
		{"no fault", given(acked(good(5))), Undecided, 0, nil},
	})
}

// queues is a pausing run of which each second task is of queue b; the pause holds for that one alone.
func queues(from, to int64) *history {
	h, whole := pausing(from, to), pausing(0, 0)
	h.meta.Terms = []ledger.Terms{{Queue: "a"}, {Queue: "b"}}
	return h.change(func(i int, t *ledger.Task) {
		t.Terms = uint8(1 + i%2)
		if i%2 == 0 {
			t.Attempts = whole.tasks[i].Attempts
		}
	})
}

func TestStarved(t *testing.T) {
	both := pausing(20_000, 40_000)
	both.meta.Terms = []ledger.Terms{{Queue: "a"}, {Queue: "b"}}
	both.change(func(i int, t *ledger.Task) { t.Terms = uint8(1 + i%2) })
	later := pausing(20_000, 40_000)
	later.meta.Terms = both.meta.Terms
	later.change(func(i int, t *ledger.Task) {
		t.Terms = uint8(1 + i%2)
		if i%2 == 1 && t.Attempts[0].Finished > 39_000*ms {
			t.Attempts[0].Finished = max(t.Attempts[0].Finished, 40_900*ms)
		}
	})
	try(t, "starved", []trial{
		{"both go on", queues(0, 0), Pass, 0, nil},
		{"one waits for a while", queues(20_000, 26_000), Pass, 0, nil},
		{"one waits for long", queues(20_000, 32_000), Found, 1, []uint64{1999}},
		{"both do: that is a stall", both, Pass, 0, nil},
		{"both do, and one is back a little sooner", later, Pass, 0, nil},
		{"a fault explains it", queues(20_000, 32_000).with(fault(19_000, 31_000)), Pass, 0, nil},
		{"one queue", pausing(20_000, 32_000).asking(ledger.Terms{Queue: "a"}), Undecided, 0, nil},
		{"gaps in the evidence", queues(20_000, 32_000).with(gaps), Undecided, 1, nil},
	})
}

// Where faults keep coming, what is told of a starved queue says how much of its time they leave.
func TestStarvedSaysHowMuchNoFaultExplains(t *testing.T) {
	i := slices.IndexFunc(All(), func(c Check) bool { return c.Name == "starved" })
	often := queues(10_000, 58_000)
	for at := int64(10_000); at < 50_000; at += 9_000 {
		often.with(fault(at, at+2_000))
	}
	for h, want := range map[*history]string{queues(20_000, 32_000): "no fault was in force, and those of a went on", often: "no fault was in force for 3"} {
		if v := All()[i].Judge(h); len(v.Findings) != 1 || !strings.Contains(v.Findings[0].Text, want) {
			t.Errorf("findings %+v, want one with %q", v.Findings, want)
		}
	}
}
