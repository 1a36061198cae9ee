package checks

func init() {
	register(Check{
		Name:  "phantom-confirm",
		Doc:   "Lost tasks that no worker ever received: the broker acknowledged what it did not keep.",
		begin: phantom,
	})
}

func phantom(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.acknowledged() {
				return
			}
			b.v.Examined++
			if s.missing() && len(s.Attempts) == 0 {
				b.found(s, 1, "acknowledged at %s and never handed to any worker", seconds(s.PublishEnd))
			}
		},
		end: func() Verdict {
			b.v.Count = max(0, b.v.Count-sc.anonymous)
			return b.absent("no publish was acknowledged", sc.undrained)
		},
	}
}
