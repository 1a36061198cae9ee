package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name: "retry-count",
		Doc: "Retries more or fewer than the task asks for before it ends. One that came to its end several times may ask as often each " +
			"time, and one that asked for a retry without being acknowledged then may ask again.",
		begin: retryCount,
	})
}

func retryCount(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.asked || !s.started {
				return
			}
			ended, repeated := false, false
			for i := range s.Attempts {
				a := &s.Attempts[i]
				ended = ended || a.Outcome == ledger.OK || a.Outcome == ledger.Failed
				repeated = repeated || a.Outcome == ledger.Retried && a.Acked == 0
			}
			b.v.Examined++
			switch most := s.terms.Retries * max(1, s.completed); {
			case s.retries > most && !repeated:
				b.found(s, s.retries-most, "was retried %d times, and %d were asked for", s.retries, most)
			case ended && s.retries < s.terms.Retries:
				b.found(s, s.terms.Retries-s.retries, "ended after %d retries of the %d that it asks for", s.retries, s.terms.Retries)
			}
		},
		end: func() Verdict {
			return b.present("no task was started of which it is known how often it asks for a retry", sc.blind)
		},
	}
}
