package checks

func init() {
	register(Check{
		Name:  "expired",
		Doc:   "Attempts that were started though their task had expired, 20 ms for the clocks allowed.",
		begin: expired,
	})
}

func expired(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if s.terms.Expires == 0 || len(s.Attempts) == 0 {
				return
			}
			b.v.Examined++
			for i := range s.Attempts {
				if at := s.Attempts[i].Started; at > s.expiry()+drift {
					b.found(s, 1, "expired at %s and started at %s", seconds(s.expiry()), seconds(at))
				}
			}
		},
		end: func() Verdict { return b.present("no worker received a task with an expiry", sc.blind) },
	}
}
