package checks

func init() {
	register(Check{
		Name:  "retried",
		Doc:   "Attempts that ended by asking for another.",
		begin: retried,
	})
}

func retried(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.started {
				return
			}
			b.v.Examined++
			if s.retries > 0 {
				b.found(s, s.retries, "asked for another attempt %d times", s.retries)
			}
		},
		end: func() Verdict { return b.present("no task was started", sc.blind) },
	}
}
