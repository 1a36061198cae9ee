package checks

import (
	"fmt"
	"time"

	"taskbench/harness/ledger"
)

func init() {
	register(Check{
		Name: "accounting",
		Doc: "Whether the books of the harness agree: every attempted task is in exactly one class, the sums add up, the recorder's " +
			"own count says the same, and no record contradicts itself. What it finds is a fault of the harness, not of the system.",
		begin: accounting,
	})
}

// slack is how far the clocks of two processes of one host may seem apart.
const slack = int64(100 * time.Microsecond)

// books are counted one by one, so that their sums can be held against each other.
type books struct {
	tasks, due, attempted, acknowledged, refused, unknown                int
	executed, lostOrMissing, stuck, aside, lapsed                        int // of the acknowledged
	executedAny, recovered, refusedExecuted, unexpected, duplicates, ran int
}

func accounting(sc *scope) judge {
	b := book{sc: sc}
	var n books
	next := uint64(0)
	return judge{
		see: func(s *subject) {
			b.v.Examined++
			if s.Seq < next || !s.stray && s.Seq != next {
				b.found(s, 1, "task %d comes where task %d was to come", s.Seq, next)
			}
			next = s.Seq + 1
			n.add(s)
			if wrong := contradiction(s); wrong != "" {
				b.found(s, 1, "%s", wrong)
			}
		},
		end: func() Verdict {
			n.balance(sc, func(format string, args ...any) { b.found(nil, 1, format, args...) })
			return b.present("the history has no tasks", "")
		},
	}
}

func (n *books) add(s *subject) {
	count := func(c *int, in bool) {
		if in {
			*c++
		}
	}
	n.tasks++
	count(&n.due, !s.stray)
	count(&n.attempted, s.attempted())
	count(&n.acknowledged, s.acknowledged())
	count(&n.refused, s.refused())
	count(&n.unknown, s.unknown())
	count(&n.executed, s.acknowledged() && s.executed())
	count(&n.stuck, s.acknowledged() && s.stuck())
	count(&n.aside, s.acknowledged() && s.keptAside())
	count(&n.lapsed, s.acknowledged() && s.lapsed())
	count(&n.lostOrMissing, s.acknowledged() && s.missing())
	count(&n.executedAny, s.executed())
	count(&n.recovered, s.unknown() && s.executed())
	count(&n.refusedExecuted, s.refused() && s.executed())
	count(&n.unexpected, !s.attempted() && s.executed())
	if !s.stray {
		count(&n.ran, s.executed())
		n.duplicates += max(0, s.completed-1)
	}
}

// balance holds the sums against each other and against the second set of books.
func (n *books) balance(sc *scope, wrong func(string, ...any)) {
	equal := func(what string, got, want int) {
		if got != want {
			wrong("%s: %d, and it should be %d", what, got, want)
		}
	}
	equal("tasks in the history that were due", n.due, sc.due)
	equal("acknowledged, refused and unknown together", n.acknowledged+n.refused+n.unknown, n.attempted)
	equal("executed, stuck, kept aside, lapsed and missing of the acknowledged together", n.executed+n.stuck+n.aside+n.lapsed+n.lostOrMissing, n.acknowledged)
	equal("executed of the acknowledged, recovered, refused and unexpected together", n.executed+n.recovered+n.refusedExecuted+n.unexpected, n.executedAny)
	if t := sc.Tally; t != nil {
		equal("tasks that the recorder counted as due", t.Due, n.due)
		equal("publishes that it counted as acknowledged", t.OK, n.acknowledged)
		equal("publishes that it counted as refused", t.Failed, n.refused)
		equal("executed tasks that it counted", t.Executed, n.ran)
		equal("duplicates that it counted", t.Duplicates, n.duplicates)
	}
}

// contradiction says what cannot be true in one record.
func contradiction(s *subject) string {
	switch {
	case s.Publish > ledger.PublishUnknown:
		return fmt.Sprintf("its publish has %v", s.Publish)
	case s.Publish != ledger.Unpublished && s.PublishStart == 0:
		return "its publish ended and never began"
	case s.Publish != ledger.Unpublished && s.PublishEnd < s.PublishStart:
		return fmt.Sprintf("its publish ended at %s, before it began at %s", seconds(s.PublishEnd), seconds(s.PublishStart))
	case s.Publish == ledger.Unpublished && s.PublishEnd != 0:
		return "its publish ended without an outcome"
	}
	classes := 0
	for _, in := range [...]bool{s.executed(), s.stuck(), s.keptAside(), s.lapsed(), s.missing()} {
		if in {
			classes++
		}
	}
	if classes != 1 {
		return fmt.Sprintf("it falls in %d classes", classes)
	}
	for i := range s.Attempts {
		a := &s.Attempts[i]
		switch since := a.Since(); {
		case a.Outcome > ledger.Killed:
			return fmt.Sprintf("an attempt has %v", a.Outcome)
		case (a.Finished != 0) != (a.Outcome != ledger.None):
			return fmt.Sprintf("an attempt finished at %s with outcome %q", seconds(a.Finished), a.Outcome)
		case a.Finished != 0 && a.Started != 0 && a.Finished < a.Started-slack:
			return fmt.Sprintf("an attempt finished at %s, before it started at %s", seconds(a.Finished), seconds(a.Started))
		case s.PublishStart != 0 && since != 0 && since < s.PublishStart-slack:
			return fmt.Sprintf("an attempt was received at %s, before its task was published at %s", seconds(since), seconds(s.PublishStart))
		}
	}
	return ""
}
