// Package metrics measures a history: latencies by stage and phase, rates over time, recovery after a fault, and
// what every node used.
//
// It uses github.com/HdrHistogram/hdrhistogram-go for latencies, because it keeps three significant digits from
// nanoseconds to hours in one mergeable structure, and gonum.org/v1/gonum/stat for the slope of memory, because
// the quantiles of Student's distribution are not ours to write.
package metrics

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"taskbench/harness/ledger"
)

// Stages are the parts of a task's life that are measured, in order. due_to_finish is what a user feels, counted
// from when the task was due, so that a late generator or a blocked publisher does not hide an outage;
// send_to_finish is the same from when it was really sent, the figure that such an omission makes look good.
var Stages = []string{
	"due_to_publish", "publish_to_confirm", "confirm_to_start", "start_to_finish", "finish_to_ack", "finish_to_result",
	"due_to_finish", "send_to_finish",
}

// longest is the longest latency that a histogram takes: two days. A longer one, which only a run of more than two
// days can have, is recorded as this long.
const longest = int64(48 * time.Hour)

// A Set is a histogram for each stage.
type Set struct{ stages [8]*hdrhistogram.Histogram }

// Quantiles of one stage, in seconds.
type Quantiles struct {
	P50, P90, P99, P999, Max float64
	Count                    int64
}

// Add records the stages that the task reached: up to its start by the first attempt that started, from there by
// the first that completed. A task that starts before its publisher sees the confirm has waited 0.
func (s *Set) Add(t ledger.Task) {
	if t.PublishStart != 0 {
		s.record(0, t.PublishStart-t.Due)
		if t.Publish == ledger.PublishOK {
			s.record(1, t.PublishEnd-t.PublishStart)
		}
	}
	if first, ok := firstStarted(t); ok && t.Publish == ledger.PublishOK {
		s.record(2, first.Started-t.PublishEnd)
	}
	done, ok := FirstCompleted(t)
	if !ok {
		return
	}
	if done.Started != 0 {
		s.record(3, done.Finished-done.Started)
	}
	if done.Acked > done.Finished {
		s.record(4, done.Acked-done.Finished)
	}
	if done.Stored != 0 {
		s.record(5, done.Stored-done.Finished)
	}
	s.record(6, done.Finished-t.Due)
	if t.PublishStart != 0 {
		s.record(7, done.Finished-t.PublishStart)
	}
}

func (s *Set) record(stage int, ns int64) {
	if s.stages[stage] == nil {
		s.stages[stage] = hdrhistogram.New(1, longest, 3)
	}
	// In range by construction.
	_ = s.stages[stage].RecordValue(min(max(ns, 0), longest))
}

// Merge adds another set's records.
func (s *Set) Merge(other *Set) {
	for i, h := range other.stages {
		if h == nil {
			continue
		}
		if s.stages[i] == nil {
			s.stages[i] = hdrhistogram.New(1, longest, 3)
		}
		s.stages[i].Merge(h)
	}
}

// Quantiles are those of the stages that were reached at all, by name.
func (s *Set) Quantiles() map[string]Quantiles {
	out := map[string]Quantiles{}
	for i, h := range s.stages {
		if h == nil || h.TotalCount() == 0 {
			continue
		}
		at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e9 }
		out[Stages[i]] = Quantiles{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e9, Count: h.TotalCount()}
	}
	return out
}

func firstStarted(t ledger.Task) (first ledger.Attempt, ok bool) {
	for _, a := range t.Attempts {
		if a.Started != 0 && (!ok || a.Started < first.Started) {
			first, ok = a, true
		}
	}
	return first, ok
}

// FirstCompleted is the attempt by which the task was first run to its end.
func FirstCompleted(t ledger.Task) (first ledger.Attempt, ok bool) {
	for _, a := range t.Attempts {
		if a.Completed() && (!ok || a.Finished < first.Finished) {
			first, ok = a, true
		}
	}
	return first, ok
}
