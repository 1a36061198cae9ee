package harness

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/harness/systems/native"
	"taskbench/worker/result/rpc"
)

// replies are the results of a cell whose broker keeps none: workers send them to a queue, of which the harness is the only
// reader, past the fault proxy. What they say is in the ledger already.
type replies struct {
	stop context.CancelFunc
	done chan struct{}
}

// takeReplies begins to, where results are sent.
func (s *stage) takeReplies() {
	if s.cell.Scenario.System.Results == "" || native.ReplyTo(s.cell.Driver) == "" {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &replies{stop: stop, done: make(chan struct{})}
	s.replies = r
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			s.receiveReplies(ctx)
			waitUntil(ctx, time.Now().Add(100*time.Millisecond)) // the broker may be away
		}
	}()
}

// receiveReplies takes replies over one connection, until it is lost.
func (s *stage) receiveReplies(ctx context.Context) {
	opening, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	b, err := s.cell.Driver.Open(opening, s.node.Info().URL, s.cell.Variant)
	if err != nil {
		return
	}
	defer b.Close()
	x, can := b.(brokers.Exchanger)
	if !can {
		return
	}
	came, err := rpc.Subscribe(ctx, x, native.Replies)
	if err != nil {
		return
	}
	for range came { // nothing is to be done with them
	}
}

func (r *replies) close() {
	r.stop()
	<-r.done
}
