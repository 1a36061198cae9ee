package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "tick-missed",
		Doc:   "Ticks of a schedule at which nothing was sent.",
		begin: tickMissed,
	})
}

func tickMissed(sc *scope) judge {
	return ticks(sc, sc.blind, func(b *book, t *ledger.Tick) {
		if len(t.Sent) == 0 {
			b.found(nil, 1, "%s was due at %s, and nothing was sent", t.Entry, seconds(t.Due))
		}
	}, (*book).absent)
}

// ticks judges every tick that was due before the end of the run.
func ticks(sc *scope, doubt string, see func(*book, *ledger.Tick), verdict func(b *book, nothing, doubt string) Verdict) judge {
	return judge{
		see: func(*subject) {},
		end: func() Verdict {
			b := book{sc: sc}
			for i := range sc.Ticks {
				if t := &sc.Ticks[i]; t.Due < sc.DrainEnded {
					b.v.Examined++
					see(&b, t)
				}
			}
			return verdict(&b, "no schedule was to send anything", doubt)
		},
	}
}
