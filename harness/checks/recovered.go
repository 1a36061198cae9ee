package checks

func init() {
	register(Check{
		Name:  "recovered",
		Doc:   "Tasks that were executed though the outcome of their publish is unknown.",
		begin: recovered,
	})
}

func recovered(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.unknown() {
				return
			}
			b.v.Examined++
			if s.executed() {
				b.found(s, 1, "its publish at %s was never confirmed, and it was executed", seconds(s.PublishStart))
			}
		},
		end: func() Verdict { return b.present("the outcome of every publish is known", sc.undrained) },
	}
}
