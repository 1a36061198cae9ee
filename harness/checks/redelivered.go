package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name: "redelivered-after-ack",
		Doc: "Attempts that a worker received after an earlier one of the same task had finished for good and was acknowledged. " +
			"Where an acknowledgement is not itself confirmed, a fault can explain it.",
		begin: redelivered,
	})
}

func redelivered(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			settled := int64(0) // when the first attempt was finished for good and acknowledged
			for i := range s.Attempts {
				a := &s.Attempts[i]
				if at := max(a.Acked, a.Finished); a.Acked != 0 && a.Completed() && (settled == 0 || at < settled) {
					settled = at
				}
			}
			if settled == 0 {
				return
			}
			b.v.Examined++
			for i := range s.Attempts {
				if got := received(&s.Attempts[i]); got > settled {
					b.found(s, 1, "finished and acknowledged at %s, and received again at %s", seconds(settled), seconds(got))
				}
			}
		},
		end: func() Verdict { return b.present("no attempt was finished and acknowledged", sc.undrained) },
	}
}

// received is when a worker got the attempt: it has no other evidence of that, it may be, than the start.
func received(a *ledger.Attempt) int64 {
	if a.Received != 0 {
		return a.Received
	}
	return a.Started
}
