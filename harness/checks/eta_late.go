package checks

import "time"

// ETALateSetting is the key in Meta.Settings by which a run says how long after its time a task may be started, as a
// Go duration. Without it that is 5 s.
const ETALateSetting = "eta_late_after"

func init() {
	register(Check{
		Name: "eta-late",
		Doc: "Tasks that were first started more than 5 s (setting " + ETALateSetting + ") after the time that they were to wait for, " +
			"or after their publish if that was later, and no fault in between or shortly before explains it.",
		begin: etaLate,
	})
}

func etaLate(sc *scope) judge {
	b := book{sc: sc}
	bound := sc.setting(ETALateSetting, 5*time.Second)
	return judge{
		see: func(s *subject) {
			if s.terms.ETA == 0 || !s.started {
				return
			}
			first := firstStart(s)
			should := max(s.eta(), s.PublishEnd)
			if sc.disturbed(should, first, aftermath) {
				return
			}
			b.v.Examined++
			if first > should+bound {
				b.found(s, 1, "could be started at %s and was at %s", seconds(should), seconds(first))
			}
		},
		end: func() Verdict {
			return b.present("no task that was to wait for a time was started undisturbed by faults", sc.blind)
		},
	}
}

func firstStart(s *subject) int64 {
	first := int64(0)
	for i := range s.Attempts {
		if at := s.Attempts[i].Started; at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}
