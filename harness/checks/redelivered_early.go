package checks

import (
	"time"

	"taskbench/harness/ledger"
)

// RedeliverAfterSetting is the key in Meta.Settings by which a run says after how long the broker hands a message out
// again whether its holder lives or not (a visibility timeout that nobody renews), as a Go duration. Without it, never.
const RedeliverAfterSetting = "redeliver_after"

func init() {
	register(Check{
		Name: "redelivered-early",
		Doc: "Deliveries of a message that another attempt still held: that one was acknowledged later, or worked on it later, so that its " +
			"holder lived. Not found where a fault at the time, or shortly before, can have cut the holder off, when the holder asked for a " +
			"retry (which is another message), or after the broker's own timeout (setting " + RedeliverAfterSetting + ").",
		begin: redeliveredEarly,
	})
}

func redeliveredEarly(sc *scope) judge {
	b := book{sc: sc}
	timeout := sc.setting(RedeliverAfterSetting, time.Duration(1<<62))
	return judge{
		see: func(s *subject) {
			if !s.acknowledged() || len(s.Attempts) == 0 {
				return
			}
			b.v.Examined++
			for i := range s.Attempts {
				again := &s.Attempts[i]
				for j := range s.Attempts {
					held := &s.Attempts[j]
					if i == j || held.ID == again.ID || held.Received == 0 || again.Received <= held.Received {
						continue
					}
					until := holding(held)
					if again.Received < until-slack && again.Received-held.Received < timeout && !sc.disturbed(held.Received, again.Received, aftermath) {
						b.found(s, 1, "received at %s and held until %s at least, and received again at %s",
							seconds(held.Received), seconds(until), seconds(again.Received))
						break
					}
				}
			}
		},
		end: func() Verdict { return b.present("no acknowledged task was received", sc.undrained) },
	}
}

// holding is until when an attempt is known to have held its message, 0 when nothing is known.
func holding(a *ledger.Attempt) int64 {
	switch {
	case a.Returned, a.Malformed, a.Outcome == ledger.Retried:
		return 0
	case a.Acked != 0:
		return a.Acked
	case a.Outcome == ledger.Killed:
		return a.Started
	}
	return max(a.Started, a.Finished, a.Stored)
}
