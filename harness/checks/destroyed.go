package checks

func init() {
	register(Check{
		Name: "destroyed",
		Doc: "Lost tasks that the broker had acknowledged before a fault destroyed what it held, as wipe does: they are lost by design, and " +
			"the rest of the lost are the broker's own doing.",
		begin: destroyed,
	})
}

func destroyed(sc *scope) judge {
	b := book{sc: sc}
	last, fault := int64(0), ""
	for _, f := range sc.Faults {
		if f.Destroys && f.InEffect > last {
			last, fault = f.InEffect, f.Fault
		}
	}
	return judge{
		see: func(s *subject) {
			if !s.acknowledged() {
				return
			}
			b.v.Examined++
			if s.missing() && s.PublishEnd <= last {
				b.found(s, 1, "acknowledged at %s, and destroyed by %s at %s at the latest", seconds(s.PublishEnd), fault, seconds(last))
			}
		},
		end: func() Verdict {
			b.v.Count = max(0, b.v.Count-sc.anonymous)
			return b.absent("no publish was acknowledged", sc.undrained)
		},
	}
}
