package checks

import (
	"slices"
	"testing"

	"taskbench/harness/ledger"
)

// beat is a history whose schedule was to send each 100 ms, and sent so long after, in ms; nil is not at all.
func beat(after ...[]int64) *history {
	return given(acked(good(5))).with(func(m *ledger.Meta) {
		for i, sent := range after {
			tick := ledger.Tick{Entry: "each", Due: int64(i+1) * 100 * ms}
			for _, t := range sent {
				tick.Sent = append(tick.Sent, tick.Due+t*ms)
			}
			m.Ticks = append(m.Ticks, tick)
		}
	})
}

func TestTicks(t *testing.T) {
	calm, none := beat([]int64{1}, []int64{2}), given(acked(good(5)))
	beyond := beat([]int64{1}, nil).with(func(m *ledger.Meta) { m.DrainEnded = 150 * ms })
	try(t, "tick-missed", []trial{
		{"all sent", calm, Pass, 0, nil},
		{"late, and twice", beat([]int64{5000}, []int64{1, 2}), Pass, 0, nil},
		{"two missed", beat([]int64{1}, nil, []int64{1}, nil), Found, 2, []uint64{ledger.Foreign, ledger.Foreign}},
		{"due after the end", beyond, Pass, 0, nil},
		{"gaps in the evidence", beat([]int64{1}, nil).with(gaps), Undecided, 1, nil},
		{"no schedule", none, Undecided, 0, nil},
	})
	try(t, "tick-late", append(onClocks(), []trial{
		{"all in time", calm, Pass, 0, nil},
		{"missed is not late", beat(nil, []int64{1}), Pass, 0, nil},
		{"late by a second and a half, and early", beat([]int64{1500}, []int64{-30}, []int64{1}), Found, 2, nil},
		{"its repetition is late", beat([]int64{1, 5000}), Pass, 0, nil},
		{"the run's own bound", beat([]int64{300}).with(settings(TickLateSetting, "100ms")), Found, 1, nil},
		{"gaps in the evidence", beat([]int64{1}).with(gaps), Undecided, 0, nil},
		{"no schedule", none, Undecided, 0, nil},
	}...))
	try(t, "tick-repeated", []trial{
		{"once each", calm, Pass, 0, nil},
		{"three times, and twice", beat([]int64{1, 2, 3}, []int64{1}, []int64{1, 900}), Found, 3, nil},
		{"missed", beat(nil), Pass, 0, nil},
		{"gaps in the evidence", beat([]int64{1}).with(gaps), Undecided, 0, nil},
		{"no schedule", none, Undecided, 0, nil},
	})
}

// clock is a fault on the clock of a node, from 250 ms to 650 ms: how many ms it was ahead, and what it gained.
func clock(node string, ahead int64, gains float64) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "clock", Node: node, At: 250 * ms, Healed: 650 * ms, Ahead: ahead * ms, Gains: gains})
		if m.Settings == nil {
			m.Settings = map[string]string{TickLateSetting: "100ms"}
		}
	}
}

// onClocks are trials of tick-late: a tick is in time by the right clock, and by the one that a fault had given a beat, and by
// no other.
func onClocks() []trial {
	at := func(after ...int64) *history { // of ticks at 100 ms, 200 ms, ...
		list := make([][]int64, len(after))
		for i, a := range after {
			list[i] = []int64{a}
		}
		return beat(list...)
	}
	ahead, behind, fast, slow := clock("beat-1", 300, 0), clock("beat-1", -300, 0), clock("beat-1", 0, 0.5), clock("beat-1", 0, -0.5)
	early, late := at(0, 0, -50, -150, -250, -300, -300, -300, -290), at(0, 0, 390, 340, 240, 140, 40)
	return []trial{
		{"ahead: those that were skipped at once, the others early, or in time", early.with(ahead), Pass, 0, nil},
		{"ahead: before it was, and earlier than it was ahead", at(0, -50, -80, -180, 0, -350, 0, -330).with(ahead), Found, 5, nil},
		{"ahead: none later than by the right clock", at(0, 0, 120).with(ahead), Found, 1, nil},
		{"another's clock was ahead", at(0, 0, -50).with(clock("worker-1", 300, 0)), Found, 1, nil},
		{"behind: as much later, or when it was set right", late.with(behind), Pass, 0, nil},
		{"behind: later than that, and early", at(0, 110, 420, 380, 0, -30, 110).with(behind), Found, 5, nil},
		{"fast: early by what it has gained", at(0, 0, -16, -50, -83, -116, -150, -180).with(fast), Pass, 0, nil},
		{"fast: by more", at(0, 0, -40, -80, -120, -150, -180).with(fast), Found, 5, nil},
		{"slow: late by what it has lost", at(0, 0, 145, 245, 245, 145, 95).with(slow), Pass, 0, nil},
		{"slow: by more", at(0, 0, 155, 255, 255, 155, 105).with(slow), Found, 5, nil},
		{"never set right", at(0, 0, 390, 390, 390, 390, 390, 390).with(behind).with(func(m *ledger.Meta) { m.Faults[0].Healed = 0 }), Pass, 0, nil},
	}
}

// What a clock that was set may explain of other findings is named, and that alone.
func TestClocksAreNamedInFindings(t *testing.T) {
	const ahead = "; fault clock had the clock of beat-1 0.300 s ahead from 0.250 s to 0.650 s"
	for _, tt := range []struct {
		check string
		h     *history
		want  []string
	}{
		{"tick-missed", beat([]int64{0}, nil, nil, []int64{0}, []int64{0}, []int64{0}, []int64{0}, []int64{0}, nil).with(clock("beat-1", 300, 0)), []string{
			"each was due at 0.200 s, and nothing was sent", "each was due at 0.300 s, and nothing was sent" + ahead, "each was due at 0.900 s, and nothing was sent" + ahead}},
		{"tick-repeated", beat([]int64{0, 1}, []int64{0, 200}).with(clock("beat-2", -100, 0)), []string{
			"each was due at 0.100 s, and sent 2 times", "each was due at 0.200 s, and sent 2 times; fault clock had the clock of beat-2 0.100 s behind from 0.250 s to 0.650 s"}},
		{"tick-late", beat([]int64{0}, []int64{0}, []int64{500}).with(clock("beat-1", 0, -0.5)), []string{
			"each was due at 0.300 s, and sent at 0.800 s; fault clock had the clock of beat-1 lose 50.0 % from 0.250 s to 0.650 s"}},
	} {
		var got []string
		for _, f := range Run(tt.h).Verdict(tt.check).Findings {
			got = append(got, f.Text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: found %q, want %q", tt.check, got, tt.want)
		}
	}
}

// chord is a history of two header tasks, whose attempts are given, and a body, which no publisher published.
func chord(first, second, body []ledger.Attempt) *history {
	h := given(acked(first...), acked(second...), ledger.Task{Due: ms, Attempts: body})
	return h.with(func(m *ledger.Meta) { m.Chords = []ledger.Chord{{Header: []uint64{0, 1}, Body: 2}} })
}

func TestChords(t *testing.T) {
	runs := func(a ...ledger.Attempt) []ledger.Attempt { return a }
	well, ill, at40 := runs(good(5)), runs(ran(5, 10, ledger.Failed)), runs(good(40))
	try(t, "chord-body", []trial{
		{"once, after its header", chord(well, runs(good(9)), at40), Pass, 0, nil},
		{"never", chord(well, well, nil), Pass, 0, nil},
		{"not, since a member failed", chord(well, ill, nil), Pass, 0, nil},
		{"twice", chord(well, well, runs(good(40), good(60))), Found, 1, []uint64{2}},
		{"before the header was over", chord(well, runs(good(60)), at40), Found, 1, nil},
		{"though a member failed", chord(well, ill, at40), Found, 1, nil},
		{"twice, though a member is lost", chord(well, nil, runs(good(40), good(60))), Found, 2, []uint64{2, 2}},
		{"retried, killed and run", chord(well, well, runs(ran(30, 1, ledger.Retried), killed(40, 45), good(60))), Pass, 0, nil},
		{"no chord", given(acked(good(5))), Undecided, 0, nil},
		{"gaps in the evidence", chord(well, well, at40).with(gaps), Undecided, 0, nil},
	})
	try(t, "chord-missing", []trial{
		{"ran", chord(well, well, at40), Pass, 0, nil},
		{"ran and failed", chord(well, well, ill), Pass, 0, nil},
		{"never", chord(well, well, nil), Found, 1, []uint64{2}},
		{"begun and not run again", chord(well, well, runs(hangs(40))), Found, 1, nil},
		{"kept aside", chord(well, well, runs(aside(got(40)))), Pass, 0, nil},
		{"not called for", chord(well, ill, nil), Undecided, 0, nil},
		{"may yet come", chord(well, well, nil).with(undrained), Undecided, 1, nil},
		{"no chord", given(acked(good(5))), Undecided, 0, nil},
	})
	if v := Run(chord(well, well, at40)).Verdict("unexpected"); v.Outcome != Pass {
		t.Errorf("a body that a chord called for is unexpected: %+v", v)
	}
	// The load may end between the header and the body, which is then never due.
	cut := chord(well, well, at40)
	cut.due = 2
	if v := Run(cut).Verdict("unexpected"); v.Outcome != Pass {
		t.Errorf("a body that a chord called for, and that is not due, is unexpected: %+v", v)
	}
	// A chord that began in the warm-up is no part of what is measured.
	warm := chord(well, well, at40).with(func(m *ledger.Meta) { m.Phases = []ledger.Phase{{Name: "warmup", To: 2 * ms}} })
	warm.tasks[2].Due = 3 * ms
	if v := Run(warm).Verdict("chord-body"); v.Outcome != Undecided || v.Count != 0 {
		t.Errorf("a chord of which only the body is measured: %+v", v)
	}
}
