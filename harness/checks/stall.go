package checks

import (
	"math/bits"
	"time"

	"taskbench/harness/ledger"
)

// StallSetting is the key in Meta.Settings by which a run says after how long a silence is a stall, as a Go
// duration. Without it that is 8 s, so that a stall is found within ten of its beginning; and 15 s where a fault was
// healed at its beginning or so shortly before: what a worker may take to notice a dead link and to come back.
const StallSetting = "stall_after"

func init() {
	register(Check{
		Name: "stall",
		Doc: "Silent stalls: acknowledged tasks waited, no fault was in force, and nothing finished for longer than 8 s, 15 s after a fault (setting " +
			StallSetting + "), or than four times what the slowest in a hundred tasks takes. Tasks that wait for a retry or their time, or were in the hands of a worker that died, do not count as waiting.",
		begin: stall,
	})
}

const (
	stallAfter = 8 * time.Second
	stallBin   = int64(10 * time.Millisecond)
	stallBins  = 1 << 20 // longer runs have wider bins
)

// A timeline is a run in bins: how many tasks wait at the end of each, and whether anything finished in it.
type timeline struct {
	width  int64
	change []int32
	alive  []bool
	runs   [64]int // completed runs, by the logarithm of their length
}

func newTimeline(sc *scope) *timeline {
	return &timeline{width: max(stallBin, sc.DrainEnded/stallBins)}
}

func stall(sc *scope) judge {
	b := book{sc: sc}
	tl := newTimeline(sc)
	remains := sc.undrained != "" && sc.Left != 0 // what was not executed may be waiting still
	return judge{
		see: func(s *subject) {
			tl.finished(s)
			if !s.acknowledged() {
				return
			}
			b.v.Examined++
			tl.waits(s, s.left || remains)
		},
		end: func() Verdict {
			for _, e := range tl.silences(sc) {
				b.found(nil, 1, "from %s to %s nothing finished, though at least %d acknowledged tasks were waiting and no fault was in force",
					seconds(e.from), seconds(e.to), e.waiting)
			}
			return b.absent("no publish was acknowledged", sc.blind)
		},
	}
}

func (tl *timeline) bin(at int64) int {
	i := int(min(max(at, 0)/tl.width, 2*stallBins))
	for len(tl.change) <= i {
		tl.change, tl.alive = append(tl.change, 0), append(tl.alive, false)
	}
	return i
}

// finished marks the bins in which a worker came to some end by itself.
func (tl *timeline) finished(s *subject) {
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.Finished == 0 || a.Outcome == ledger.Killed {
			continue
		}
		tl.alive[tl.bin(a.Finished)] = true
		if a.Started != 0 {
			tl.runs[bits.Len64(uint64(max(0, a.Finished-a.Started)))]++
		}
	}
}

func (tl *timeline) span(from, to int64) {
	if to > from {
		tl.change[tl.bin(from)]++
		tl.change[tl.bin(to)]--
	}
}

// waits adds the spans in which the task waited to be run and to come to its end.
func (tl *timeline) waits(s *subject, remains bool) {
	since := s.PublishEnd
	if s.terms.ETA != 0 {
		since = max(since, s.eta())
	}
	for i := range s.Attempts {
		a := &s.Attempts[i]
		begin := a.Since()
		if since == 0 {
			since = begin // it waited for its retry, or in dead hands, until now
		}
		switch {
		case a.Completed():
			tl.span(since, a.Finished)
			return
		case a.Malformed:
			tl.span(since, begin)
			return
		case a.Returned, a.Outcome == ledger.Killed:
			// Given back, or its process was killed under the eyes of the parent: it waits on.
		case a.Finished != 0:
			tl.span(since, a.Finished)
			since = 0
		default:
			tl.span(since, begin)
			since = 0
		}
	}
	if since != 0 && remains {
		tl.change[tl.bin(since)]++
	}
}

// bound is how long a silence may be, and how long one that begins in the aftermath of a fault.
func (tl *timeline) bound(sc *scope) (calm, after int64) {
	calm = sc.setting(StallSetting, stallAfter)
	after = sc.setting(StallSetting, time.Duration(aftermath))
	all := 0
	for _, n := range tl.runs {
		all += n
	}
	seen := 0
	for log, n := range tl.runs {
		if seen += n; all > 0 && seen*100 >= all*99 {
			slow := int64(4) << min(log, 60)
			return max(calm, slow), max(after, slow)
		}
	}
	return calm, after
}

type silence struct {
	from, to int64
	waiting  int64
}

// silences are the stretches, longer than the bound, of bins outside all faults in which tasks wait and none finishes.
func (tl *timeline) silences(sc *scope) []silence {
	if sc.DrainEnded > 0 {
		tl.bin(sc.DrainEnded)
	}
	calm, after := tl.bound(sc)
	var out []silence
	var now silence
	waiting := int64(0)
	flush := func(to int64) {
		bound := calm
		if sc.disturbed(now.from, now.from, aftermath) {
			bound = after
		}
		if now.waiting > 0 && to-now.from > bound {
			now.to = to
			out = append(out, now)
		}
		now = silence{}
	}
	for i, change := range tl.change {
		at := int64(i) * tl.width
		waiting += int64(change)
		quiet := waiting > 0 && !tl.alive[i] && !inForce(sc, at, at+tl.width)
		switch {
		case !quiet:
			flush(at)
		case now.waiting == 0:
			now = silence{from: at, waiting: waiting}
		default:
			now.waiting = min(now.waiting, waiting)
		}
	}
	flush(int64(len(tl.change)) * tl.width)
	return out
}

func inForce(sc *scope, from, to int64) bool {
	for _, f := range sc.Faults {
		if f.At < to && (f.Healed == 0 || f.Healed > from) {
			return true
		}
	}
	return false
}
