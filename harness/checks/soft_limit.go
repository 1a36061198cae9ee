package checks

import "time"

func init() {
	register(Check{
		Name: "soft-limit",
		Doc: "Attempts with a soft time limit that ran on for more than 2 s after it and had not been told by then, that were told before " +
			"it, or when they had ended (20 ms for the clocks allowed). That a task was told is its own side's word. Attempts that ran into a " +
			"fault on their worker after the limit are not examined, nor are those of which neither the end nor that they were told is known.",
		begin: softLimit,
	})
}

// telling is how long it may take to tell a task that its soft limit is over, on a machine with other things to do.
const telling = int64(2 * time.Second)

func softLimit(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if s.terms.Soft == 0 {
				return
			}
			for i := range s.Attempts {
				a := &s.Attempts[i]
				if a.Started == 0 || a.Finished == 0 && a.Told == 0 {
					continue
				}
				limit := a.Started + s.terms.Soft
				if sc.hurt(a.Node, limit, max(a.Finished, a.Told)) {
					continue
				}
				b.v.Examined++
				switch told := a.Told - a.Started; {
				case a.Told == 0 && a.Finished > limit+telling && sc.blind == "":
					b.found(s, 1, "ran for %s, and was not told that its soft limit is %s", seconds(a.Finished-a.Started), seconds(s.terms.Soft))
				case a.Told > limit+telling:
					b.found(s, 1, "was told after %s that its soft limit is %s", seconds(told), seconds(s.terms.Soft))
				case a.Told != 0 && a.Told < limit-drift:
					b.found(s, 1, "was told after %s, and its soft limit is %s", seconds(told), seconds(s.terms.Soft))
				case a.Told != 0 && a.Finished != 0 && a.Told > a.Finished+drift:
					b.found(s, 1, "was told after %s, and had ended after %s", seconds(told), seconds(a.Finished-a.Started))
				}
			}
		},
		end: func() Verdict {
			return b.present("no attempt with a soft time limit came to an end or to its limit", sc.blind)
		},
	}
}
