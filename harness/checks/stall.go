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
			StallSetting + "), or than four times what the slowest in a hundred tasks takes. Where one fault follows the other, nothing may " +
			"finish for twice as long as after a fault, the time between the faults taken together. Tasks that wait for a retry or their time, or were in the hands of a worker that died, do not count as waiting.",
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

	end     int64      // of the run
	stretch int64      // half of the shortest silence that counts: each that does contains a whole one
	few     [][]uint64 // of each stretch of the run, some tasks that waited all through it
}

func newTimeline(sc *scope) *timeline {
	width := max(stallBin, sc.DrainEnded/stallBins)
	return &timeline{width: width, end: sc.DrainEnded, stretch: max(sc.setting(StallSetting, stallAfter)/2, width)}
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
				b.among(e.tasks, "from %s to %s nothing finished, though at least %d acknowledged tasks were waiting and %s",
					seconds(e.from), seconds(e.to), e.waiting, e.calmly())
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

func (tl *timeline) span(seq uint64, from, to int64) {
	if to <= from {
		return
	}
	tl.change[tl.bin(from)]++
	tl.change[tl.bin(to)]--
	tl.waited(seq, from, to)
}

// waited notes a task in the stretches that it waited through.
func (tl *timeline) waited(seq uint64, from, to int64) {
	for i := (max(from, 0) + tl.stretch - 1) / tl.stretch; (i+1)*tl.stretch <= min(to, tl.end); i++ {
		for int64(len(tl.few)) <= i {
			tl.few = append(tl.few, nil)
		}
		note(&tl.few[i], seq)
	}
}

// during are tasks that waited in a silence.
func (tl *timeline) during(from, to int64) []uint64 {
	for i := (from + tl.stretch - 1) / tl.stretch; (i+1)*tl.stretch <= to && i < int64(len(tl.few)); i++ {
		if len(tl.few[i]) > 0 {
			return tl.few[i]
		}
	}
	return nil
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
			tl.span(s.Seq, since, a.Finished)
			return
		case a.Malformed:
			tl.span(s.Seq, since, begin)
			return
		case a.Returned, a.Outcome == ledger.Killed:
			// Given back, or its process was killed under the eyes of the parent: it waits on.
		case a.Finished != 0:
			tl.span(s.Seq, since, a.Finished)
			since = 0
		default:
			tl.span(s.Seq, since, begin)
			since = 0
		}
	}
	if since != 0 && remains {
		tl.change[tl.bin(since)]++
		tl.waited(s.Seq, since, tl.end)
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

// A silence is a time in which tasks waited and none finished.
type silence struct {
	from, to int64
	calm     int64 // of it, without a fault
	waiting  int64
	tasks    []uint64 // some of those that waited
}

// calmly says how much of a silence no fault explains.
func (e *silence) calmly() string {
	if e.calm == e.to-e.from {
		return "no fault was in force"
	}
	return "no fault was in force for " + seconds(e.calm) + " of that time"
}

func (e *silence) goOn(at, width, calm, waiting int64) {
	if e.waiting == 0 {
		*e = silence{from: at, waiting: waiting}
	}
	e.to = at + width
	e.calm += calm
	e.waiting = min(e.waiting, waiting)
}

// silences are the stretches, longer than the bound, of bins outside all faults in which tasks wait and none finishes;
// and those silences in which no such stretch is that long, because faults keep coming, and that have twice the bound
// after a fault outside all faults together.
func (tl *timeline) silences(sc *scope) []silence {
	if sc.DrainEnded > 0 {
		tl.bin(sc.DrainEnded)
	}
	calm, after := tl.bound(sc)
	var out []silence
	var whole, part silence // part is the stretch without a fault of the whole
	told := false           // of a part of the whole
	waiting := int64(0)
	tell := func(e silence) {
		e.tasks = tl.during(e.from, e.to)
		out = append(out, e)
	}
	endPart := func() {
		bound := calm
		if sc.disturbed(part.from, part.from, aftermath) {
			bound = after
		}
		if part.calm > bound {
			tell(part)
			told = true
		}
		part = silence{}
	}
	endWhole := func() {
		endPart()
		if !told && whole.calm > 2*after {
			tell(whole)
		}
		whole, told = silence{}, false
	}
	for i, change := range tl.change {
		at := int64(i) * tl.width
		waiting += int64(change)
		switch {
		case waiting <= 0 || tl.alive[i]:
			endWhole()
		case inForce(sc, at, at+tl.width):
			endPart()
			whole.goOn(at, tl.width, 0, waiting)
		default:
			part.goOn(at, tl.width, tl.width, waiting)
			whole.goOn(at, tl.width, tl.width, waiting)
		}
	}
	endWhole()
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
