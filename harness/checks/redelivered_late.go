package checks

import "time"

// RedeliverWithinSetting is the key in Meta.Settings by which a run says within what time of its holder's death a
// message is to be received again, as a Go duration. Without it that is a minute.
const RedeliverWithinSetting = "redeliver_within"

func init() {
	register(Check{
		Name: "redelivered-late",
		Doc: "Tasks that were in the hands of a worker when a fault ended it, and were received again more than a minute (setting " +
			RedeliverWithinSetting + ") after that fault.",
		begin: redeliveredLate,
	})
}

func redeliveredLate(sc *scope) judge {
	b := book{sc: sc}
	bound := sc.setting(RedeliverWithinSetting, time.Minute)
	return judge{
		see: func(s *subject) {
			for i := range s.Attempts {
				a := &s.Attempts[i]
				if a.Received == 0 || a.Acked != 0 || a.Returned || a.Malformed || int(a.Node) >= len(sc.Nodes) {
					continue
				}
				died := sc.deathAfter(sc.Nodes[a.Node], max(a.Received, a.Started, a.Finished, a.Stored))
				if died == 0 {
					continue
				}
				again := int64(0)
				for j := range s.Attempts {
					if at := received(&s.Attempts[j]); at > died && (again == 0 || at < again) {
						again = at
					}
				}
				if again == 0 {
					continue // lost, stuck or orphaned: those are for others to find
				}
				b.v.Examined++
				if again > died+bound {
					b.found(s, 1, "held by a worker that ended at %s, and received again only at %s", seconds(died), seconds(again))
				}
				return
			}
		},
		end: func() Verdict { return b.present("no message came back from a worker that a fault ended", sc.blind) },
	}
}

// deathAfter is when the first fault began that ended a node's processes at a time or later; 0 when there is none.
func (sc *scope) deathAfter(node string, at int64) int64 {
	first := int64(0)
	for _, f := range sc.Faults {
		if f.Ends && f.Node == node && max(f.At, f.InEffect) >= at-slack && (first == 0 || f.At < first) {
			first = f.At
		}
	}
	return first
}
