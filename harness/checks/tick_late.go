package checks

import "time"

// TickLateSetting is the key in Meta.Settings by which a run says how long after its time a tick is late, as a Go
// duration. Without it that is a second.
const TickLateSetting = "tick_late_after"

func init() {
	register(Check{
		Name: "tick-late",
		Doc: "Ticks of a schedule that were first sent more than a second (setting " + TickLateSetting + ") after they were due, or before " +
			"(20 ms for the clocks allowed). While a fault had set the clock of a beat, a tick may be sent when it is due by that clock.",
		begin: tickLate,
	})
}

func tickLate(sc *scope) judge {
	bound := sc.setting(TickLateSetting, time.Second)
	return ticks(sc, sc.blind, func(b *book, t tock) {
		if len(t.Sent) > 0 && (t.Sent[0] > t.to+bound || t.Sent[0] < t.from-drift) {
			b.found(nil, 1, "%s was due at %s, and sent at %s%s", t.Entry, seconds(t.Due), seconds(t.Sent[0]), t.why)
		}
	}, (*book).present)
}
