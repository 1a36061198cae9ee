package checks

func init() {
	register(Check{
		Name:  "duplicated",
		Doc:   "Completed executions beyond the first of their task. A retry that the task asked for is not a completion.",
		begin: duplicated,
	})
}

func duplicated(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.executed() {
				return
			}
			b.v.Examined++
			if s.completed > 1 {
				b.found(s, s.completed-1, "run to its end %d times", s.completed)
			}
		},
		end: func() Verdict { return b.present("no task was executed", sc.undrained) },
	}
}
