package checks

func init() {
	register(Check{
		Name:  "stuck",
		Doc:   "Tasks that were not executed because they are still in the broker at the end of the drain.",
		begin: stuck,
	})
}

func stuck(sc *scope) judge {
	b := book{sc: sc}
	missing := 0
	return judge{
		see: func(s *subject) {
			if !s.attempted() {
				return
			}
			b.v.Examined++
			if s.stuck() {
				b.found(s, 1, "still in the broker at the end of the drain, at %s", seconds(sc.DrainEnded))
			}
			if s.acknowledged() && s.missing() {
				missing++
			}
		},
		end: func() Verdict {
			if n := min(sc.anonymous, missing); n > 0 {
				b.found(nil, n, "%d messages were left in the broker that were not read, and %d acknowledged tasks are missing", sc.anonymous, missing)
			}
			doubt := sc.blind
			if !sc.Drained && sc.Left < 0 {
				doubt = sc.undrained + ", and how much is left is not known"
			}
			return b.present("no task was published", doubt)
		},
	}
}
