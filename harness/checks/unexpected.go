package checks

func init() {
	register(Check{
		Name:  "unexpected",
		Doc:   "Tasks of this run that were executed though nobody ever tried to publish them.",
		begin: unexpected,
	})
}

func unexpected(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.executed() {
				return
			}
			b.v.Examined++
			switch {
			case sc.bodies[s.Seq]: // workers publish it, and may do so before its time
			case s.stray:
				b.found(s, 1, "executed, and it was never due: the run has %d tasks", sc.due)
			case !s.attempted():
				b.found(s, 1, "executed, and it was never published")
			}
		},
		end: func() Verdict { return b.present("no task was executed", sc.blind) },
	}
}
