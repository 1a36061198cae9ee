// Package load makes tasks due at times fixed beforehand and publishes them: an open loop, which a slow broker
// makes late but never slower.
//
// It uses github.com/HdrHistogram/hdrhistogram-go for lags, because they span six orders of magnitude in one run.
package load

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
)

// A Recorder is told what becomes of every task, from many goroutines at once, before the generator goes on.
// Times are nanoseconds on the clock of Plan.Origin.
type Recorder interface {
	// Due tells when the task is due, at about that time and in order of sequence numbers.
	Due(seq uint64, at int64)
	// PublishStart tells when the task's one attempt at publishing began.
	PublishStart(seq uint64, at int64)
	// PublishEnd tells when that attempt ended, and what the publisher then knew.
	PublishEnd(seq uint64, at int64, outcome ledger.PublishOutcome)
}

// A Plan is one load to be driven.
type Plan struct {
	// Due yields the offset from Start at which each task is due, never falling. Tasks are numbered from 0.
	Due iter.Seq[time.Duration]
	// Start is when the load begins; in the past it is now. Zero is now.
	Start time.Time
	// Origin is what the recorder's clock shows at Start, in nanoseconds.
	Origin int64
	// Open makes a connection to the broker: once for each of Connections before the load begins, and again
	// after one has failed.
	Open func(ctx context.Context) (brokers.Broker, error)
	// Message is what is published for a task. It is called from many goroutines at once.
	Message func(seq uint64) brokers.Message
	// Others tells whether a task is for others to publish: it falls due in its turn, and the load does not send it.
	// nil: there is none such.
	Others func(seq uint64) bool
	Record Recorder // nil: nobody keeps count
	// Publishers is how many publishes may be under way at once, over all connections; 0 is 64.
	Publishers int
	// Connections is how many the publishers share; 0 is 2.
	Connections int
	// Timeout is how long one publish may take, waiting for a connection included; 0 is 5 s.
	Timeout time.Duration
	// Watch, when it is set, is given a function that tells how the load is going, callable until Run returns
	// and after.
	Watch func(now func() Progress)
}

// Progress is how many tasks so far were due, were sent, and were answered for good or ill.
type Progress struct{ Due, Sent, Done int64 }

func (p Plan) filled() (Plan, error) {
	var wrong []error
	if p.Due == nil || p.Open == nil || p.Message == nil {
		wrong = append(wrong, errors.New("due times, Open and Message are needed"))
	}
	if p.Publishers < 0 || p.Connections < 0 || p.Timeout < 0 {
		wrong = append(wrong, fmt.Errorf("publishers %d, connections %d and timeout %v must not be negative", p.Publishers, p.Connections, p.Timeout))
	}
	if p.Publishers == 0 {
		p.Publishers = 64
	}
	if p.Connections == 0 {
		p.Connections = 2
	}
	p.Connections = min(p.Connections, p.Publishers)
	if p.Timeout == 0 {
		p.Timeout = 5 * time.Second
	}
	if now := time.Now(); p.Start.Before(now) {
		if !p.Start.IsZero() {
			p.Origin += int64(now.Sub(p.Start))
		}
		p.Start = now
	}
	if p.Record == nil {
		p.Record = nobody{}
	}
	return p, errors.Join(wrong...)
}

type nobody struct{}

func (nobody) Due(uint64, int64)                               {}
func (nobody) PublishStart(uint64, int64)                      {}
func (nobody) PublishEnd(uint64, int64, ledger.PublishOutcome) {}
