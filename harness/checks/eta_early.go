package checks

func init() {
	register(Check{
		Name:  "eta-early",
		Doc:   "Attempts that were started before the time that their task was to wait for, 20 ms for the clocks allowed.",
		begin: etaEarly,
	})
}

func etaEarly(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if s.terms.ETA == 0 || !s.started {
				return
			}
			b.v.Examined++
			for i := range s.Attempts {
				if at := s.Attempts[i].Started; at != 0 && at < s.eta()-drift {
					b.found(s, 1, "started at %s, and was not to be before %s", seconds(at), seconds(s.eta()))
				}
			}
		},
		end: func() Verdict { return b.present("no task that was to wait for a time was started", sc.blind) },
	}
}
