package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name: "concurrent",
		Doc: "Tasks of which two attempts ran at the same time. Of an attempt that has no end of its own word, having been killed " +
			"perhaps, only the moment of its start is known to be a run.",
		begin: concurrent,
	})
}

func concurrent(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.started {
				return
			}
			b.v.Examined++
			if len(s.Attempts) < 2 {
				return
			}
			for i := range s.Attempts {
				for j := range s.Attempts[:i] {
					x, y := &s.Attempts[j], &s.Attempts[i]
					if overlap(x, y) {
						b.found(s, 1, "an attempt from %s to %s and one from %s to %s overlap",
							seconds(x.Started), seconds(ended(x)), seconds(y.Started), seconds(ended(y)))
						return
					}
				}
			}
		},
		end: func() Verdict { return b.present("no task was started", sc.blind) },
	}
}

func overlap(x, y *ledger.Attempt) bool {
	if x.Started == 0 || y.Started == 0 {
		return false
	}
	return x.Started < ended(y) && y.Started < ended(x) || x.Started == y.Started
}

func ended(a *ledger.Attempt) int64 {
	if a.Finished == 0 || a.Outcome == ledger.Killed {
		return a.Started
	}
	return a.Finished
}
