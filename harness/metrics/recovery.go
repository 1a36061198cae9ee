package metrics

import (
	"math"
	"slices"

	"taskbench/harness/ledger"
)

// A Recovery is how long after the healing began things went well again; nil where that was not seen. Seconds.
type Recovery struct {
	FirstPublish    *float64 // a publish that began after the healing did was acknowledged
	FirstCompletion *float64 // a task was completed that was handed out after the healing began
	To90Percent     *float64 // the first second begins in which 90 % as many tasks were completed as in a steady one
	BacklogDrained  *float64 // the last of the tasks that were due before the healing ended was completed
}

// Recover looks at what happened after healStart (nanoseconds since the load began). steady is the span whose rate
// of completions is the baseline; without one To90Percent is nil. healed is when the healing was proved.
func Recover(h ledger.History, steady ledger.Phase, healStart, healed int64) Recovery {
	var published, completed, drained int64 = -1, -1, -1
	full := firstFull{at: -1}
	baseline := 0
	for t := range h.All() {
		if full.large() && t.Due >= steady.To {
			full.settle(healStart, rate(baseline, steady)*0.9, t.Due)
		}
		if t.Publish == ledger.PublishOK && t.PublishStart >= healStart && (published < 0 || t.PublishEnd < published) {
			published = t.PublishEnd
		}
		done, ok := FirstCompleted(t)
		if !ok {
			continue
		}
		if done.Finished >= steady.From && done.Finished < steady.To {
			baseline++
		}
		if done.Finished < healStart {
			continue
		}
		full.add(done.Finished)
		// What a worker had in hand it may well finish while the broker is away: that shows nothing.
		if done.Received >= healStart && (completed < 0 || done.Finished < completed) {
			completed = done.Finished
		}
		if t.Due < healed {
			drained = max(drained, done.Finished)
		}
	}
	if drained < 0 && full.any {
		drained = healStart // nothing was waiting
	}
	since := func(at int64) *float64 {
		if at < 0 {
			return nil
		}
		s := float64(max(at-healStart, 0)) / 1e9
		return &s
	}
	return Recovery{
		FirstPublish: since(published), FirstCompletion: since(completed), BacklogDrained: since(drained),
		To90Percent: since(full.begin(healStart, rate(baseline, steady)*0.9)),
	}
}

// A firstFull finds the first second that is full of completions. They come nearly in order: none that is still to come is
// earlier than the due time of the task at hand. So it keeps few of them.
type firstFull struct {
	any     bool
	list    []int64
	enough  int   // so long a list is worth looking at
	at      int64 // the begin of the second; -1 as long as none was found
	settled int64 // seconds that end by then were looked at
}

// large is how many completions are kept before they are looked at.
const large = 1 << 16

func (f *firstFull) add(at int64) {
	f.any = true
	if f.at < 0 {
		f.list = append(f.list, at)
	}
}

func (f *firstFull) large() bool { return len(f.list) >= max(large, f.enough) }

// begin is the earliest begin of a second, at from or at one of the completions after it, in which at least n tasks were
// completed; -1 when there is none.
func (f *firstFull) begin(from int64, n float64) int64 {
	f.settle(from, n, math.MaxInt64)
	return f.at
}

// settle looks at the seconds that end before a time; no completion before it is still to come.
func (f *firstFull) settle(from int64, n float64, before int64) {
	const second = int64(1e9)
	if f.at >= 0 || n <= 0 {
		f.list = nil
		return
	}
	slices.Sort(f.list)
	to := 0
	for i := -1; i < len(f.list); i++ {
		begin := from
		if i >= 0 {
			begin = f.list[i]
		}
		if begin+second <= f.settled {
			continue
		}
		if begin > before-second {
			break
		}
		for to < len(f.list) && f.list[to] < begin+second {
			to++
		}
		if float64(to-max(i, 0)) >= n {
			f.at, f.list = begin, nil
			return
		}
	}
	f.settled = before
	keep, _ := slices.BinarySearch(f.list, before-second)
	f.list = f.list[:copy(f.list, f.list[keep:])]
	f.enough = 2 * len(f.list)
}
