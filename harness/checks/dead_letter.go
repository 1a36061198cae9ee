package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "dead-letter",
		Doc:   "Tasks that were kept aside (dead-lettered) when they had ended well already.",
		begin: deadLetter,
	})
}

func deadLetter(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.succeeded {
				return
			}
			b.v.Examined++
			if !s.aside {
				return
			}
			for i := range s.Attempts {
				if a := &s.Attempts[i]; a.Malformed && endedWell(s, a) {
					b.found(s, 1, "kept aside by the attempt from %s, when it had ended well", seconds(a.Since()))
					return
				}
			}
		},
		end: func() Verdict { return b.present("no task ended well", sc.undrained) },
	}
}

// endedWell tells whether the task had when the attempt was received, or by that attempt itself.
func endedWell(s *subject, aside *ledger.Attempt) bool {
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.Outcome == ledger.OK && (a == aside || a.Finished < aside.Since()) {
			return true
		}
	}
	return false
}
