package checks

func init() {
	register(Check{
		Name:  "lapsed",
		Doc:   "Tasks that expired before a worker could begin with them: a worker took them then and acknowledged them unrun, as it should.",
		begin: lapsed,
	})
}

func lapsed(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if s.terms.Expires == 0 || len(s.Attempts) == 0 {
				return
			}
			b.v.Examined++
			if s.lapsed() {
				b.found(s, 1, "expired at %s and acknowledged unrun", seconds(s.expiry()))
			}
		},
		end: func() Verdict { return b.present("no worker received a task with an expiry", sc.undrained) },
	}
}
