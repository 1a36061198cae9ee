package harness

import (
	"context"
	"sync"
	"time"

	"taskbench/harness/ledger"
)

// How often the broker is asked how many messages are handed out and not settled: no more than a hundredth of its time
// goes into the answers, so that what is measured stays what it was.
const (
	depthEvery = 2 * time.Second
	depthShare = 100
)

// A depths watches how many messages of the queue are handed out and not settled, as the broker tells.
type depths struct {
	stop func()
	done chan struct{}

	mu   sync.Mutex
	line ledger.Series
}

// watchDepths asks until it is stopped or ctx ends. A broker that is down, or does not count, yields nothing.
func watchDepths(ctx context.Context, now func() int64, ask func(context.Context) (ready, unacked int, err error), end func()) *depths {
	ctx, stop := context.WithCancel(ctx)
	d := &depths{stop: stop, done: make(chan struct{}), line: ledger.Series{Node: "broker", What: "unacked"}}
	go func() {
		defer close(d.done)
		defer end()
		for ctx.Err() == nil {
			asked := time.Now()
			_, unacked, err := ask(ctx)
			if err == nil && unacked >= 0 {
				d.add(now(), unacked)
			}
			wait := time.NewTimer(max(depthEvery, depthShare*time.Since(asked)))
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
			}
		}
	}()
	return d
}

func (d *depths) add(at int64, unacked int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line.At, d.line.Of = append(d.line.At, at), append(d.line.Of, float64(unacked))
}

// series is what was told so far, evenly thinned.
func (d *depths) series() (line ledger.Series) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line.Node, line.What = d.line.Node, d.line.What
	step := max(1, (len(d.line.At)+mostSamples-1)/mostSamples)
	for i := 0; i < len(d.line.At); i += step {
		line.At, line.Of = append(line.At, d.line.At[i]), append(line.Of, d.line.Of[i])
	}
	return line
}

// end stops the watching and returns once the last answer is in.
func (d *depths) end() {
	d.stop()
	<-d.done
}
