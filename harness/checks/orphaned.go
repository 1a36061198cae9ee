package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "orphaned",
		Doc:   "Tasks whose last start came to no end, and that nobody ran again, kept aside or has still in the broker.",
		begin: orphaned,
	})
}

func orphaned(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.started {
				return
			}
			b.v.Examined++
			if s.executed() || s.left || s.aside || s.unrun {
				return
			}
			if a := lastStarted(s); a.Finished == 0 || a.Outcome == ledger.Killed {
				b.found(s, 1, "started at %s in process %d, never finished and never run again", seconds(a.Started), a.PID)
			}
		},
		end: func() Verdict { return b.absent("no task was started", sc.undrained) },
	}
}

func lastStarted(s *subject) *ledger.Attempt {
	var last *ledger.Attempt
	for i := range s.Attempts {
		if a := &s.Attempts[i]; a.Started != 0 && (last == nil || a.Started > last.Started) {
			last = a
		}
	}
	return last
}
