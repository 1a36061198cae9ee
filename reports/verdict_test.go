package reports

import (
	"strings"
	"testing"

	"taskbench/harness"
)

func TestVerdict(t *testing.T) {
	cell := func(broker string, o harness.Outcome, change ...func(*harness.Cell)) harness.Cell {
		c := harness.Cell{Broker: broker, Pool: "solo", Durability: "memory", Repeat: 1, Outcome: o, Counts: harness.Counts{Attempted: 6000, Acknowledged: 6000, Executed: 6000}}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	lostSome := func(c *harness.Cell) { c.Counts.Lost = 1204 }
	fault := func(name, node string) func(*harness.Cell) {
		return func(c *harness.Cell) {
			c.Faults = append(c.Faults, harness.FaultResult{Fault: name, Node: node, At: 10})
		}
	}
	said := func(check string, examined, count int) func(*harness.Cell) {
		return func(c *harness.Cell) {
			c.Checks = append(c.Checks, harness.Checked{Check: check, Examined: examined, Count: count})
		}
	}
	warn := func(s string) func(*harness.Cell) {
		return func(c *harness.Cell) { c.Warnings = append(c.Warnings, s) }
	}
	early := func(c *harness.Cell) { c.Acks, c.Durability = "early", "fsync" }
	expected := func(held bool, v any, why string) func(*harness.Cell) {
		return func(c *harness.Cell) {
			c.Expectations = append(c.Expectations, harness.Expectation{Expect: "p99 < 1s", Held: held, Value: v, Why: why})
		}
	}
	for _, c := range []struct {
		name, want string
		r          harness.Result
	}{
		{"no cells", "No cell was run: nothing was shown.", run("x", "", harness.Undecided)},
		{"one", "a · solo passed: of 6,000 acknowledged tasks none was lost and none ran twice.", run("x", "", harness.Pass, cell("a", harness.Pass))},
		{"two", "Both cells passed: of 12,000 acknowledged tasks none was lost; 1 execution was a repeat.",
			run("x", "", harness.Pass, cell("a", harness.Pass), cell("b", harness.Pass, func(c *harness.Cell) { c.Counts.Duplicated = 1 }))},
		{"a beat", "Both cells passed: of 12,000 acknowledged tasks none was lost and none ran twice; of 80 ticks none was missed and 1 was sent again.",
			run("x", "", harness.Pass, cell("a", harness.Pass, said("tick-missed", 40, 0), said("tick-repeated", 40, 1)), cell("b", harness.Pass, said("tick-missed", 40, 0)))},
		{"chords", "a · solo passed: of 6,000 acknowledged tasks none was lost and none ran twice; 600 chords had their bodies run once each.",
			run("x", "", harness.Pass, cell("a", harness.Pass, said("chord-missing", 600, 0), said("chord-body", 600, 0)))},
		{"chords that went wrong", "a · solo passed: of 6,000 acknowledged tasks none was lost and none ran twice; of the bodies of 600 chords 2 were missing, and there were 3 runs too many.",
			run("x", "", harness.Pass, cell("a", harness.Pass, said("chord-missing", 600, 2), said("chord-body", 600, 3)))},
		{"checks that had nothing to examine", "a · solo passed: of 6,000 acknowledged tasks none was lost and none ran twice.",
			run("x", "", harness.Pass, cell("a", harness.Pass, said("chord-missing", 0, 0), said("tick-missed", 0, 0)))},
		{"nothing happened", "a · solo passed, although not one task was acknowledged.",
			run("x", "", harness.Pass, cell("a", harness.Pass, func(c *harness.Cell) { c.Counts = harness.Counts{} }))},
		{"expected loss", "a · solo passed; a loss was expected, and it lost 1,204 of 6,000 acknowledged tasks: its durability class is memory, and the broker was killed 10 s into the load.",
			run("x", "", harness.Pass, cell("a", harness.Pass, lostSome, fault("kill", "broker")))},
		{"unexpected loss", "a · solo lost 1,204 of 6,000 acknowledged tasks, and no fault was injected; the 2 other cells passed.",
			run("x", "", harness.Fail, cell("b", harness.Pass), cell("a", harness.Fail, lostSome), cell("c", harness.Pass))},
		{"early acks", "a · solo lost 1,204 of 6,000 acknowledged tasks: its workers acknowledge early, and worker-1 was killed 10 s into the load.",
			run("x", "", harness.Fail, cell("a", harness.Fail, early, lostSome, fault("kill", "worker-1")))},
		{"no claim of a cause", "a · solo lost 1,204 of 6,000 acknowledged tasks after the broker was paused 10 s into the load and the network to the broker was slowed.",
			run("x", "", harness.Fail, cell("a", harness.Fail, lostSome, fault("pause", "broker"), fault("latency", "broker")))},
		{"an expectation", "a · solo failed: it was expected that p99 < 1s, and the value was 1.5; the other cell failed too.",
			run("x", "", harness.Fail, cell("a", harness.Fail, expected(true, 0.0, ""), expected(false, 1.5, "")), cell("b", harness.Fail))},
		{"an expectation without a value", "a · solo failed: it was expected that p99 < 1s, but there is no p99.",
			run("x", "", harness.Fail, cell("a", harness.Fail, expected(false, nil, "there is no p99.")))},
		{"no reason", "a · solo failed, and the result does not say why.", run("x", "", harness.Fail, cell("a", harness.Fail))},
		{"mixed", "a · solo failed: heal failed; of the 4 other cells 1 passed, 1 was void, 1 was undecided and 1 was not run.",
			run("x", "", harness.Fail, cell("a", harness.Fail, warn("heal failed.")), cell("b", harness.Pass), cell("c", harness.Void), cell("d", harness.Undecided), cell("e", harness.Unfit))},
		{"void", "a · solo was not offered the load that was asked for, so that no number counts (slow); the other cell passed.",
			run("x", "", harness.Void, cell("a", harness.Void, warn("slow")), cell("b", harness.Pass))},
		{"all void", "None of the 3 cells was offered the load that was asked for, so that no number counts (slow).",
			run("x", "", harness.Void, cell("a", harness.Void, warn("slow")), cell("b", harness.Void), cell("c", harness.Void))},
		{"undecided", "2 of 3 cells could not be judged (no reason was recorded); the other cell passed.",
			run("x", "", harness.Undecided, cell("a", harness.Undecided), cell("b", harness.Undecided), cell("c", harness.Pass))},
		{"unfit", "The one cell that could run passed: of 6,000 acknowledged tasks none was lost and none ran twice; 1 more was not run (no server).",
			run("x", "", harness.Pass, cell("a", harness.Pass), cell("b", harness.Unfit, warn("no server")))},
		{"all unfit", "Nothing was run: no cell was fit for it (no server).", run("x", "", harness.Undecided, cell("b", harness.Unfit, warn("no server")))},
		{"the run is worse than its cells", "a · solo passed: of 6,000 acknowledged tasks none was lost and none ran twice; the run as a whole is nevertheless undecided.",
			run("x", "", harness.Undecided, cell("a", harness.Pass))},
	} {
		if got := Verdict(c.r); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}

	r := run("x", "", harness.Undecided)
	r.Warnings = []string{"interrupted: 0 of 8 cells were run"}
	if got := Verdict(r); got != "The run was interrupted before its first cell was done: nothing was shown." {
		t.Error(got)
	}
	r.Cells = []harness.Cell{cell("a", harness.Pass)}
	r.Outcome = harness.Pass
	if got := Verdict(r); !strings.HasPrefix(got, "The run was interrupted and its result is partial. a · solo passed") {
		t.Error(got)
	}
	var hundred []harness.Cell
	for i := range 100 {
		hundred = append(hundred, cell(strings.Repeat("n", 40+i), harness.Pass))
	}
	if got := Verdict(run("x", "", harness.Pass, hundred...)); got != "All 100 cells passed: of 600,000 acknowledged tasks none was lost and none ran twice." {
		t.Error(got)
	}
}
