package reports

import (
	"regexp"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/harness"
)

// A loss is held against a broker where it promised to hand out again, unless its memory was said to be all that it has,
// and its process was ended: whatever else the cell was expected to do.
func TestWhichLossesBreakAPromise(t *testing.T) {
	for _, c := range []struct {
		durability                 brokers.Durability
		promised, fault, node, why string
		lost                       int
		outcome                    harness.Outcome
		bad                        bool
	}{
		{brokers.Memory, brokers.AtLeastOnce, "kill", "worker-1", "no broker forgot it", 3, harness.Fail, true},
		{brokers.Memory, brokers.AtLeastOnce, "pause", "broker", "a paused broker forgets nothing", 3, harness.Fail, true},
		{brokers.Memory, brokers.AtLeastOnce, "kill", "broker", "declared, and the cell passed", 3, harness.Pass, false},
		{brokers.Memory, brokers.AtLeastOnce, "kill", "broker", "declared, and the cell failed at something else", 3, harness.Fail, false},
		{brokers.Memory, brokers.AtLeastOnce, "stop", "broker", "declared, and interrupted", 3, harness.Undecided, false},
		{brokers.Fsync, brokers.AtLeastOnce, "kill", "broker", "it was on disk", 3, harness.Fail, true},
		{brokers.Fsync, brokers.AtLeastOnce, "kill", "broker", "though nobody expected otherwise", 3, harness.Pass, true},
		{brokers.Fsync, brokers.AtMostOnce, "kill", "worker-1", "nothing was to come again", 3, harness.Fail, false},
		{brokers.Fsync, brokers.AtLeastOnce, "kill", "worker-1", "nothing was lost", 0, harness.Fail, false},
		{brokers.Fsync, brokers.AtLeastOnce, "kill", "broker", "its numbers do not count", 3, harness.Void, false},
	} {
		calm := harness.Cell{Broker: "b", Repeat: 1, Outcome: harness.Pass, Durability: string(c.durability), Promised: c.promised,
			Counts: harness.Counts{Acknowledged: 10}}
		broken := calm
		broken.Under, broken.Outcome, broken.Counts.Lost = "x", c.outcome, c.lost
		broken.Faults = []harness.FaultResult{{Fault: c.fault, Node: c.node}}
		m := matrixOf(groupsOf(run("compare", "", harness.Fail, calm, broken)))
		if seen := m.Rows[0].Seen; seen[0].Bad || seen[1].Bad != c.bad {
			t.Errorf("%s, %s, %s on %s, %d lost (%s): calm held against it %t, broken %t, want %t",
				c.durability, c.promised, c.fault, c.node, c.lost, c.why, seen[0].Bad, seen[1].Bad, c.bad)
		}
	}
}

// Each cell of the matrix, whether it was run or not, leads to the run that it sums up.
func TestMatrixLeadsToItsRuns(t *testing.T) {
	r := fixtures()["under"]
	page := htmlOf(t, r)
	_, rest, found := strings.Cut(page, `<section id="guarantees"`)
	section, _, ended := strings.Cut(rest, "</section>")
	if !found || !ended {
		t.Fatal("the page has no section of guarantees")
	}
	m := matrixOf(groupsOf(r))
	links := regexp.MustCompile(`<td[^>]*><a href="#([^"]*)">`).FindAllStringSubmatch(section, -1)
	if want := len(m.Rows) * len(m.Columns); want != len(r.Cells) || len(links) != want {
		t.Fatalf("%d links from %d rows and %d columns, to %d runs\n%s", len(links), len(m.Rows), len(m.Columns), len(r.Cells), section)
	}
	summary := regexp.MustCompile(`(?s)<details class="cell" id="([^"]*)".*?</summary>`)
	runs := map[string]string{}
	for _, d := range summary.FindAllStringSubmatch(page, -1) {
		runs[d[1]] = d[0]
	}
	for i, link := range links {
		row, column := m.Rows[i/len(m.Columns)], m.Columns[i%len(m.Columns)]
		if run := runs[link[1]]; !strings.Contains(run, row.Name) || !strings.Contains(run, orCalm(column)) {
			t.Errorf("%s, %s leads to %s, which is\n%s", row.Name, orCalm(column), link[1], run)
		}
	}
}

// A guarantee that was seen of a broker that ended says how much it was seen of: with nothing in the queue there was
// nothing to lose.
func TestMatrixSaysHowMuchWaited(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, c := range []struct {
		waiting []*int // by repeat
		want    string
	}{
		{[]*int{nil, nil}, "repeated of 20"},
		{[]*int{number(0), number(0)}, "; nothing waited in the broker when it ended"},
		{[]*int{number(0), number(1204)}, "; 1,204 waited in the broker when it ended"},
	} {
		calm := harness.Cell{Broker: "b", Repeat: 1, Outcome: harness.Pass, Guarantee: "exactly-once", Counts: harness.Counts{Acknowledged: 10}}
		cells := []harness.Cell{calm}
		for i, n := range c.waiting {
			broken := calm
			broken.Under, broken.Repeat = "broker-kill", i+1
			broken.Faults = []harness.FaultResult{{Fault: "kill", Node: "broker", Waiting: n}}
			cells = append(cells, broken)
		}
		r := run("compare", "", harness.Pass, cells...)
		seen := matrixOf(groupsOf(r)).Rows[0].Seen
		if !strings.HasSuffix(seen[1].Counts, c.want) || strings.Contains(seen[0].Counts, "waited") {
			t.Errorf("calm %q, broken %q, want %q", seen[0].Counts, seen[1].Counts, c.want)
		}
		if page := htmlOf(t, r); !strings.Contains(page, c.want) {
			t.Errorf("the page does not say %q", c.want)
		}
	}
}
