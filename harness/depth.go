package harness

import (
	"context"
	"sync"
	"time"

	"taskbench/harness/ledger"
)

// How often the broker is asked how much it holds: no more than a hundredth of its time goes into the answers, so that what
// is measured stays what it was.
const (
	depthEvery = 2 * time.Second
	depthShare = 100
)

// A question is one that a broker is asked again and again. An answer below 0 is that it cannot tell.
type question struct {
	what string
	ask  func(context.Context) (int, error)
}

// A depths watches how much the broker holds, as it tells: messages of the queue that are handed out and not settled, and keys.
type depths struct {
	stop func()
	done chan struct{}

	mu    sync.Mutex
	lines []ledger.Series // one of each question
}

// watchDepths asks until it is stopped or ctx ends. A broker that is down, or does not count, yields nothing.
func watchDepths(ctx context.Context, now func() int64, questions []question, end func()) *depths {
	ctx, stop := context.WithCancel(ctx)
	d := &depths{stop: stop, done: make(chan struct{})}
	for _, q := range questions {
		d.lines = append(d.lines, ledger.Series{Node: "broker", What: q.what})
	}
	go func() {
		defer close(d.done)
		defer end()
		for ctx.Err() == nil {
			asked := time.Now()
			for i, q := range questions {
				if n, err := q.ask(ctx); err == nil && n >= 0 {
					d.add(i, now(), n)
				}
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

func (d *depths) add(i int, at int64, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := &d.lines[i]
	line.At, line.Of = append(line.At, at), append(line.Of, float64(n))
}

// series is what was told so far, evenly thinned, of each question that was answered.
func (d *depths) series() (all []ledger.Series) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, told := range d.lines {
		line := ledger.Series{Node: told.Node, What: told.What}
		step := max(1, (len(told.At)+mostSamples-1)/mostSamples)
		for i := 0; i < len(told.At); i += step {
			line.At, line.Of = append(line.At, told.At[i]), append(line.Of, told.Of[i])
		}
		if len(line.At) > 0 {
			all = append(all, line)
		}
	}
	return all
}

// end stops the watching and returns once the last answer is in.
func (d *depths) end() {
	d.stop()
	<-d.done
}
