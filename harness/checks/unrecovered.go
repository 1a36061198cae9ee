package checks

import (
	"cmp"
	"slices"
	"time"

	"taskbench/harness/ledger"
)

// RecoverWithinSetting is the key in Meta.Settings by which a run says how long a recovery may take, as a Go duration.
// Without it that is half a minute.
const RecoverWithinSetting = "recover_within"

func init() {
	register(Check{
		Name: "unrecovered",
		Doc: "Healed faults after which one side did not come back within half a minute (setting " + RecoverWithinSetting + "): no publish was " +
			"acknowledged of those that were tried, or no task finished that a worker received since, though there were acknowledged ones. " +
			"Faults that another one follows before that time has passed are not examined.",
		begin: unrecovered,
	})
}

// An after is what is known of the time after one fault was healed; 0 is never.
type after struct {
	fault               *ledger.FaultSpan
	healed, until       int64 // the time in which both sides must have come back
	tried, acked, ended int64 // the first of each
	sent                bool  // something was acknowledged early enough to be finished
}

func unrecovered(sc *scope) judge {
	b := book{sc: sc}
	afters := aftermaths(sc, sc.setting(RecoverWithinSetting, 30*time.Second))
	at := func(when int64) *after {
		i, exact := slices.BinarySearchFunc(afters, when, func(a after, when int64) int { return cmp.Compare(a.healed, when) })
		if !exact {
			i--
		}
		if i < 0 || when > afters[i].until {
			return nil
		}
		return &afters[i]
	}
	return judge{
		see: func(s *subject) {
			if len(afters) == 0 {
				return
			}
			if a := at(s.PublishStart); a != nil && s.attempted() {
				earlier(&a.tried, s.PublishStart)
				if s.acknowledged() {
					earlier(&a.acked, s.PublishEnd)
					a.sent = a.sent || s.PublishEnd < (a.healed+a.until)/2
				}
			}
			for i := range s.Attempts {
				if t := &s.Attempts[i]; t.Completed() {
					if a := at(received(t)); a != nil && t.Finished <= a.until {
						earlier(&a.ended, t.Finished)
					}
				}
			}
		},
		end: func() Verdict {
			for i := range afters {
				a := &afters[i]
				if a.tried != 0 {
					b.v.Examined++
					if a.acked == 0 || a.acked > a.until {
						b.found(nil, 1, "%s on %s was healed at %s, and of the publishes since then none was acknowledged until %s",
							a.fault.Fault, a.fault.Node, seconds(a.healed), seconds(a.until))
					}
				}
				if a.sent {
					b.v.Examined++
					if a.ended == 0 {
						b.found(nil, 1, "%s on %s was healed at %s, and of the tasks received since then none had finished at %s",
							a.fault.Fault, a.fault.Node, seconds(a.healed), seconds(a.until))
					}
				}
			}
			return b.absent("no fault was healed early enough to see what became of it", sc.blind)
		},
	}
}

func earlier(t *int64, at int64) {
	if *t == 0 || at < *t {
		*t = at
	}
}

// aftermaths are the healed faults that were followed by enough time without another.
func aftermaths(sc *scope, bound int64) []after {
	var all []after
	for i := range sc.Faults {
		f := &sc.Faults[i]
		if f.Healed == 0 || f.Healed+bound > sc.DrainEnded {
			continue
		}
		alone := !slices.ContainsFunc(sc.Faults, func(o ledger.FaultSpan) bool {
			return o != *f && o.At <= f.Healed+bound && (o.Healed == 0 || o.Healed > f.Healed)
		})
		if alone {
			all = append(all, after{fault: f, healed: f.Healed, until: f.Healed + bound})
		}
	}
	slices.SortFunc(all, func(a, b after) int { return cmp.Compare(a.healed, b.healed) })
	return all
}
