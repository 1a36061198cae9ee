package metrics

import (
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
	var completions []int64
	baseline := 0
	for t := range h.All() {
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
		completions = append(completions, done.Finished)
		// What a worker had in hand it may well finish while the broker is away: that shows nothing.
		if done.Received >= healStart && (completed < 0 || done.Finished < completed) {
			completed = done.Finished
		}
		if t.Due < healed {
			drained = max(drained, done.Finished)
		}
	}
	if drained < 0 && len(completions) > 0 {
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
		To90Percent: since(firstFullSecond(completions, healStart, rate(baseline, steady)*0.9)),
	}
}

// firstFullSecond is the earliest begin of a second, at from or at one of the completions after it, in which at
// least n tasks were completed; -1 when there is none.
func firstFullSecond(completions []int64, from int64, n float64) int64 {
	if n <= 0 {
		return -1
	}
	slices.Sort(completions)
	const second = int64(1e9)
	to := 0
	for i := -1; i < len(completions); i++ {
		begin := from
		if i >= 0 {
			begin = completions[i]
		}
		for to < len(completions) && completions[to] < begin+second {
			to++
		}
		if float64(to-max(i, 0)) >= n {
			return begin
		}
	}
	return -1
}
