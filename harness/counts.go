package harness

import (
	"fmt"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// counts are the totals of a report. In a history that is not whole a task that was not seen to be done may have
// been done, so that nothing is counted, nor found, that only absence shows.
func counts(r checks.Report, h ledger.History) Counts { return total(r.Counts, h) }

func total(c checks.Counts, h ledger.History) Counts {
	if !whole(h.Meta()) {
		c.Lost, c.Destroyed, c.Orphaned, c.Stalls = 0, 0, 0, 0
	}
	if unknown(h.Meta()) {
		c.Lost, c.Destroyed = 0, 0
	}
	return Counts{
		Attempted: c.Attempted, Acknowledged: c.Acknowledged, Refused: c.Refused, Unknown: c.Unknown, Executed: c.Executed,
		Lost: c.Lost, Destroyed: c.Destroyed, Duplicated: c.Duplicated, Recovered: c.Recovered, Unexpected: c.Unexpected, Orphaned: c.Orphaned,
		Stuck: c.Stuck, Retried: c.Retried, Concurrent: c.Concurrent, Failed: c.Failed, Malformed: c.Malformed,
		Stalls: c.Stalls, Redelivered: c.Redelivered, Foreign: foreign(h),
	}
}

// warmUp is the totals of the tasks that were due in the warm-up, nil where there were none, and what went wrong
// among them in a sentence, since no expectation looks at them.
func warmUp(r checks.Report, h ledger.History) (*Counts, string) {
	if r.WarmUp.Attempted == 0 {
		return nil, ""
	}
	c := total(r.WarmUp, h)
	c.Foreign = 0 // they are counted once, with the rest
	if c.Lost+c.Duplicated+c.Orphaned+c.Stuck == 0 {
		return &c, ""
	}
	return &c, fmt.Sprintf("of the %d tasks of the warm-up, which the counts leave out, %d were lost, %d ran again, %d were orphaned and %d stuck",
		c.Attempted, c.Lost, c.Duplicated, c.Orphaned, c.Stuck)
}

// foreign counts the messages that are none of this run's, each delivery once. Beyond what the history keeps of
// them it is too few.
func foreign(h ledger.History) int {
	type delivery struct {
		pid     uint32
		attempt uint64
	}
	seen := map[delivery]bool{}
	events, _ := h.Foreign()
	for _, e := range events {
		if e.Kind == ledger.Received || e.Kind == ledger.Malformed {
			seen[delivery{e.PID, e.Attempt}] = true
		}
	}
	return len(seen)
}

// partial says why the history does not hold all that happened, or "". What it lacks proves nothing then.
func partial(m ledger.Meta) string {
	switch {
	case m.Aborted != "":
		return m.Aborted
	case m.Unrecorded > 0:
		return "the history has gaps"
	}
	return ""
}

func whole(m ledger.Meta) bool { return partial(m) == "" }

// unknown tells whether nobody could say at the end how much the broker still held: every missing task may be there.
func unknown(m ledger.Meta) bool { return !m.Drained && m.Left < 0 }

// keepFindings is how many findings of each check a result keeps; the history has all of them.
const keepFindings = 20

// findings leaves out what only absence shows where something may have gone unseen. Of a history that is not whole those
// are the findings of checks that are undecided: what rests on evidence that is there is found in any case.
func findings(r checks.Report, m ledger.Meta) []Finding {
	var list []Finding
	for _, v := range r.Verdicts {
		if !whole(m) && v.Outcome == checks.Undecided || unknown(m) && (v.Name == "lost" || v.Name == "destroyed") {
			continue
		}
		for _, f := range v.Findings[:min(len(v.Findings), keepFindings)] {
			list = append(list, Finding{Check: v.Name, ID: f.ID, Text: f.Text})
		}
	}
	return list
}

// checked is what every check said.
func checked(r checks.Report) []Checked {
	var list []Checked
	for _, v := range r.Verdicts {
		list = append(list, Checked{Check: v.Name, Outcome: v.Outcome.String(), Examined: v.Examined, Count: v.Count, Why: v.Why})
	}
	return list
}

// guarantee is what was observed, and "" where losses may have gone unseen.
func guarantee(r checks.Report, m ledger.Meta) string {
	if !whole(m) || unknown(m) {
		return ""
	}
	return r.Guarantee
}
