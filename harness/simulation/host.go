package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness/ledger"
	"taskbench/harness/tasks"
	"taskbench/worker"
)

// A host runs one worker, over as many lives as faults give it.
type host struct {
	run   *run
	name  string
	index uint16

	mu    sync.Mutex
	life  *life // nil while the worker is down
	lives []*life
}

// A life is one worker process. A crashed one cannot be stopped from running on as goroutines; but nothing that it does
// from then on reaches the broker or the ledger, so that nobody can tell it from one that is gone.
type life struct {
	host     *host
	pid      uint32
	worker   *worker.Worker
	sealed   atomic.Bool // opens no connections any more
	dead     atomic.Bool // observes nothing any more
	stopping atomic.Bool
	done     chan struct{}

	mu      sync.Mutex
	running map[uint64]bool
}

// start brings the worker up, unless it is.
func (h *host) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != nil {
		return
	}
	r, p := h.run, &h.run.plan
	l := &life{host: h, pid: r.pids.Add(1), done: make(chan struct{}), running: map[uint64]bool{}}
	no := false
	c := worker.Config{
		Name: h.name, Queues: []string{queue}, Pool: p.Pool, Concurrency: p.Concurrency, Prefetch: p.Prefetch,
		ETALimit: p.ETALimit, Acks: p.Acks, Grace: p.Grace, Silent: !p.Control,
	}
	if !p.Control {
		c.RemoteControl = &no
	}
	if r.seams.Config != nil {
		r.seams.Config(&c)
	}
	w, err := worker.New(c, worker.Options{Registry: h.registry(l), Driver: h.driver(l), Observer: l, Log: r.log})
	if err != nil {
		r.violate("worker cannot be made: %v", err)
		return
	}
	l.worker = w
	h.life, h.lives = l, append(h.lives, l)
	go func() {
		defer close(l.done)
		if err := w.Run(context.Background()); err != nil {
			r.violate("%s gave up: %v", h.name, err)
		}
		h.gone(l)
	}()
}

// driver is the memory broker's over the simulated network.
func (h *host) driver(l *life) brokers.Driver {
	d := memory.Driver
	d.Open = func(ctx context.Context, _ string, _ brokers.Variant) (brokers.Broker, error) {
		c, err := h.run.network.open(ctx, h.name, l.sealed.Load)
		switch {
		case err != nil:
			return nil, err
		case h.run.seams.Worker != nil:
			return h.run.seams.Worker(c), nil
		}
		return c, nil
	}
	return d
}

var errCrash = errors.New("the worker has crashed")

// registry is the synthetic tasks, and those that only a simulation can have.
func (h *host) registry(l *life) *worker.Registry {
	g := tasks.Registry()
	g.Add("simulation.panic", func(context.Context, *worker.Request) (any, error) { panic("on purpose") })
	g.Add("simulation.deadly", func(ctx context.Context, q *worker.Request) (any, error) {
		if !h.run.kills(q.ID) {
			return nil, nil
		}
		h.run.realise("%s: killed by task %s", h.name, q.ID)
		h.crash(l)
		h.run.awaited.Add(1)
		time.AfterFunc(time.Second, func() {
			h.start()
			h.run.awaited.Add(-1)
		})
		<-ctx.Done()
		return nil, errCrash
	})
	return g
}

func (h *host) gone(l *life) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == l {
		h.life = nil
	}
}

func (h *host) current() *life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.life
}

// crash ends a life where it stands: the present one, if l is nil.
func (h *host) crash(l *life) {
	if l == nil {
		l = h.current()
	}
	if l == nil || l.sealed.Swap(true) {
		return
	}
	h.run.network.cut(h.name) // before it falls silent: what it did last may be known, what is known was done
	l.dead.Store(true)
	h.gone(l)
	l.worker.Stop(worker.Cold)
}

// patience is how long a worker may take to stop, by whatever means are broken meanwhile.
const patience = 5 * time.Minute

// stop ends the present life warmly and returns when it is over.
func (h *host) stop() {
	l := h.current()
	if l == nil {
		return
	}
	l.stopping.Store(true)
	l.worker.Stop(worker.Warm)
	select {
	case <-l.done:
	case <-time.After(patience):
		h.run.violate("%s was asked to stop %v ago and has not", h.name, patience)
		h.crash(l)
	}
}

// Observe implements worker.Observer.
func (l *life) Observe(e worker.Event) {
	if l.dead.Load() {
		return
	}
	r := l.host.run
	seq, ours := r.tag.Parse(e.ID)
	if !ours {
		seq = ledger.Foreign
	}
	switch e.Kind {
	case worker.Started:
		r.started(seq, l)
		l.mu.Lock()
		l.running[e.Attempt] = true
		if n := len(l.running); n > r.plan.Concurrency {
			r.violate("%s runs %d tasks, and its concurrency is %d", l.host.name, n, r.plan.Concurrency)
		}
		l.mu.Unlock()
	case worker.Finished:
		l.mu.Lock()
		delete(l.running, e.Attempt)
		l.mu.Unlock()
	}
	r.recorder.Apply(ledger.Event{
		Task: seq, Attempt: e.Attempt, At: ledger.Now(), PID: l.pid, Node: l.host.index,
		Kind: ledger.Kind(e.Kind), Outcome: ledger.Outcome(e.Outcome),
	})
}

// nodeName is that of the nth worker, from 1.
func nodeName(n int) string { return fmt.Sprintf("worker-%d", n) }

var silentLog = slog.New(slog.DiscardHandler)
