package checks

import (
	"time"

	"taskbench/harness/ledger"
)

func init() {
	register(Check{
		Name: "time-limit",
		Doc: "Attempts with a hard time limit that ran on for more than 2 s after it, or were cut off for a limit before they had reached it " +
			"(20 ms for the clocks allowed). Of an attempt whose end is not known nothing is said, nor of one that ran into a fault on its worker " +
			"after its limit.",
		begin: timeLimit,
	})
}

// cutting is how long it may take to end an attempt that has reached its limit, on a machine with other things to do.
const cutting = int64(2 * time.Second)

func timeLimit(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if s.terms.Limit == 0 {
				return
			}
			for i := range s.Attempts {
				a := &s.Attempts[i]
				if a.Started == 0 || a.Finished == 0 || sc.hurt(a.Node, a.Started+s.terms.Limit, a.Finished) {
					continue
				}
				b.v.Examined++
				switch ran, limit := a.Finished-a.Started, s.terms.Limit; {
				case ran > limit+cutting:
					b.found(s, 1, "ran for %s, and its limit is %s", seconds(ran), seconds(limit))
				case a.Outcome == ledger.TimedOut && ran < limit-drift:
					b.found(s, 1, "was cut off after %s, and its limit is %s", seconds(ran), seconds(limit))
				}
			}
		},
		end: func() Verdict { return b.present("no attempt with a time limit came to an end", sc.blind) },
	}
}
