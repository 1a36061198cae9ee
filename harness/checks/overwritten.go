package checks

func init() {
	register(Check{
		Name: "overwritten",
		Doc: "Results that were stored when their task had one already: a task has one end. Tasks that ran again because a fault had them " +
			"delivered again are among them.",
		begin: overwritten,
	})
}

func overwritten(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			stored, first, last := 0, "", ""
			for i := range s.Attempts {
				if a := &s.Attempts[i]; a.Stored != 0 && a.Completed() {
					if stored++; stored == 1 {
						first = a.Outcome.String()
					}
					last = a.Outcome.String()
				}
			}
			if stored == 0 {
				return
			}
			b.v.Examined++
			if stored > 1 {
				b.found(s, stored-1, "has %d results stored, the first %s and the last %s", stored, first, last)
			}
		},
		end: func() Verdict { return b.present("no result was stored", sc.undrained) },
	}
}
