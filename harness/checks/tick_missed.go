package checks

func init() {
	register(Check{
		Name:  "tick-missed",
		Doc:   "Ticks of a schedule at which nothing was sent. A fault that had set the clock of a beat is named.",
		begin: tickMissed,
	})
}

func tickMissed(sc *scope) judge {
	return ticks(sc, sc.blind, func(b *book, t tock) {
		if len(t.Sent) == 0 {
			b.found(nil, 1, "%s was due at %s, and nothing was sent%s", t.Entry, seconds(t.Due), t.why)
		}
	}, (*book).absent)
}

// ticks judges every tick that was due before the end of the run.
func ticks(sc *scope, doubt string, see func(*book, tock), verdict func(b *book, nothing, doubt string) Verdict) judge {
	return judge{
		see: func(*subject) {},
		end: func() Verdict {
			b, spells := book{sc: sc}, sc.spells()
			for i := range sc.Ticks {
				if t := &sc.Ticks[i]; t.Due < sc.DrainEnded {
					b.v.Examined++
					see(&b, tockOf(t, spells))
				}
			}
			return verdict(&b, "no schedule was to send anything", doubt)
		},
	}
}
