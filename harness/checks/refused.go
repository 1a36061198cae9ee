package checks

func init() {
	register(Check{
		Name:  "refused",
		Doc:   "Tasks that a worker received though their publish was refused: the broker, or its adapter, said \"provably not stored\" of a message that it stored.",
		begin: refused,
	})
}

func refused(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.refused() {
				return
			}
			b.v.Examined++
			if len(s.Attempts) > 0 {
				b.found(s, 1, "refused at %s and received at %s all the same", seconds(s.PublishEnd), seconds(s.Attempts[0].Since()))
			}
		},
		end: func() Verdict { return b.present("no publish was refused", sc.undrained) },
	}
}
