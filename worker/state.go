package worker

import (
	"sync/atomic"
	"time"

	"taskbench/worker/canvas"
	"taskbench/worker/rate"
)

// A taskState is what a worker knows of one of its tasks: how it is to be treated, which remote control may change
// while it runs, and how often it was begun.
type taskState struct {
	name        string
	early       bool // acknowledged when it starts
	ignore      bool
	track       bool
	reject      bool
	acksFailure bool
	soft, hard  atomic.Int64 // durations; 0 is none
	bucket      rate.Bucket
	limited     atomic.Bool // the bucket has a limit, or somebody waits at it
	total       atomic.Uint64
	attended    canvas.Builtin // not run in the pool; nil for all but some builtin tasks
}

// states settles for every task of the registry what its options and the configuration say.
func states(r *Registry, c Config, attended map[string]canvas.Builtin) map[string]*taskState {
	all := make(map[string]*taskState, len(r.funcs)+len(attended))
	common, _ := rate.Parse(c.RateLimit) // validated
	for name := range r.funcs {
		o := r.options[name]
		s := &taskState{
			name:        name,
			early:       c.Acks == Early,
			ignore:      said(o.ignore, c.IgnoreResult),
			track:       said(o.track, c.TrackStarted),
			reject:      said(o.reject, said(c.RejectOnWorkerLost, true)),
			acksFailure: said(o.acksFailure, said(c.AcksOnFailureOrTimeout, true)),
		}
		if o.acks != "" {
			s.early = o.acks == Early
		}
		s.setLimits(either(o.soft, c.SoftLimit), either(o.hard, c.HardLimit))
		limit := common
		if o.limit != nil {
			limit = *o.limit
		}
		if !c.DisableRateLimits && !builtin(name) {
			s.setRate(limit)
		}
		all[name] = s
	}
	for name, run := range attended { // their work is done by the worker, and nobody waits for its result
		all[name] = &taskState{name: name, early: c.Acks == Early, reject: true, acksFailure: true, attended: run, ignore: true}
	}
	return all
}

func said(v *bool, otherwise bool) bool {
	if v == nil {
		return otherwise
	}
	return *v
}

func either(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (s *taskState) setLimits(soft, hard time.Duration) {
	s.soft.Store(int64(soft))
	s.hard.Store(int64(hard))
}

// limits are those in force for a message that has some of its own, or none.
func (s *taskState) limits(soft, hard time.Duration) (time.Duration, time.Duration) {
	return either(soft, time.Duration(s.soft.Load())), either(hard, time.Duration(s.hard.Load()))
}

// setRate changes the pace of starts. A task that had a limit once keeps asking its bucket, so that those who wait
// at it keep their place.
func (s *taskState) setRate(l rate.Limit) {
	if l != 0 {
		s.limited.Store(true)
	}
	s.bucket.Set(l)
}
