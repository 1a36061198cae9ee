package checks

import (
	"cmp"
	"math"
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
			"acknowledged of those that were tried while no fault was in force, or no task finished that a worker received since, though there were acknowledged ones. " +
			"Where another fault follows before that time has passed, they may take twice as long, the time between the faults taken together. A run that ends sooner shows who came back, and not who did not.",
		begin: unrecovered,
	})
}

// An after is what is known of the time after one fault was healed; 0 is never.
type after struct {
	fault               *ledger.FaultSpan
	healed, until       int64 // the time in which both sides must have come back
	others              bool  // faults were in that time
	short               bool  // the run ended sooner: who came back did, and of who did not nothing is known
	tried, acked, ended int64 // the first of each; tried is while no fault was in force
	sent                bool  // something was acknowledged early enough to be finished

	unheard, idle []uint64 // some tasks that were tried and not acknowledged, and acknowledged and not finished
}

// afters are in order of time, and apart.
type afters []after

// at is the one that a time is in, or nil.
func (all afters) at(when int64) *after {
	i, exact := slices.BinarySearchFunc(all, when, func(a after, when int64) int { return cmp.Compare(a.healed, when) })
	if !exact {
		i--
	}
	if i < 0 || when > all[i].until {
		return nil
	}
	return &all[i]
}

// see adds what became of one task.
func (all afters) see(sc *scope, s *subject) {
	if a := all.at(s.PublishStart); a != nil && s.attempted() {
		calm := !inForce(sc, s.PublishStart, s.PublishStart+1)
		if calm {
			earlier(&a.tried, s.PublishStart)
		}
		switch {
		case !s.acknowledged():
			if calm {
				note(&a.unheard, s.Seq)
			}
		default:
			earlier(&a.acked, s.PublishEnd)
			if s.PublishEnd < (a.healed+a.until)/2 {
				a.sent = true
				note(&a.idle, s.Seq) // nothing is told of these unless none has finished
			}
		}
	}
	for i := range s.Attempts {
		if t := &s.Attempts[i]; t.Completed() {
			if a := all.at(received(t)); a != nil && t.Finished <= a.until {
				earlier(&a.ended, t.Finished)
			}
		}
	}
}

// judge tells what did not come back.
func (a *after) judge(b *book) {
	since := "was healed at " + seconds(a.healed)
	if a.others {
		since += ", others followed"
	}
	if a.tried != 0 && (a.acked != 0 || !a.short) {
		b.v.Examined++
		if a.acked == 0 || a.acked > a.until {
			b.among(a.unheard, "%s on %s %s, and of the publishes since then none was acknowledged until %s", a.fault.Fault, a.fault.Node, since, seconds(a.until))
		}
	}
	if a.sent && (a.ended != 0 || !a.short) {
		b.v.Examined++
		if a.ended == 0 {
			b.among(a.idle, "%s on %s %s, and of the tasks received since then none had finished at %s", a.fault.Fault, a.fault.Node, since, seconds(a.until))
		}
	}
}

func unrecovered(sc *scope) judge {
	b := book{sc: sc}
	alone, together := aftermaths(sc, sc.setting(RecoverWithinSetting, 30*time.Second))
	return judge{
		see: func(s *subject) {
			for _, all := range [...]afters{alone, together} {
				if len(all) > 0 {
					all.see(sc, s)
				}
			}
		},
		end: func() Verdict {
			for _, all := range [...]afters{alone, together} {
				for i := range all {
					all[i].judge(&b)
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

// aftermaths are the times after healed faults: those of the bound without another fault, and, after faults that others
// follow sooner, those that have twice the bound outside all faults. Each of the latter begins after the one before.
func aftermaths(sc *scope, bound int64) (alone, together afters) {
	healed := make([]*ledger.FaultSpan, 0, len(sc.Faults))
	for i := range sc.Faults {
		if f := &sc.Faults[i]; f.Healed != 0 {
			healed = append(healed, f)
		}
	}
	slices.SortStableFunc(healed, func(a, b *ledger.FaultSpan) int { return cmp.Compare(a.Healed, b.Healed) })
	free := int64(0)
	for _, f := range healed {
		a := after{fault: f, healed: f.Healed, until: f.Healed + bound}
		a.others = slices.ContainsFunc(sc.Faults, func(o ledger.FaultSpan) bool {
			return o != *f && o.At <= a.until && (o.Healed == 0 || o.Healed > f.Healed)
		})
		switch {
		case !a.others:
			a.short = a.until > sc.DrainEnded
			alone = append(alone, a)
		case a.others && f.Healed >= free:
			if a.until = sc.calmUntil(f.Healed, 2*bound); a.until <= sc.DrainEnded {
				together = append(together, a)
				free = a.until + 1
			}
		}
	}
	return alone, together
}

// calmUntil is when there has been so much time outside all faults since then.
func (sc *scope) calmUntil(since, calm int64) int64 {
	at := since
	for _, f := range sc.byBegin() {
		if f.At > at {
			if f.At-at >= calm {
				break
			}
			calm -= f.At - at
			at = f.At
		}
		switch {
		case f.Healed == 0:
			return math.MaxInt64
		case f.Healed > at:
			at = f.Healed
		}
	}
	return at + calm
}
