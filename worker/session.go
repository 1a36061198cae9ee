package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/worker/health"
)

// How long the worker waits for others.
const (
	// Each step of connecting and each publish is bounded by patience.
	patience = 10 * time.Second

	// A step that heeds its context gets this much longer to say so.
	notice = time.Second

	// Tasks that a stop has cancelled get this long to end and to be settled: the second after which the pool kills
	// children that do not heed, and another one for the settling.
	lastCall = 2 * time.Second
)

// A session is one connection to the broker, from its opening to its loss.
//
// Its deliveries are read by lanes, goroutines of which each follows one delivery from its receipt to its
// settling. There are as many as there are deliveries in hand, and one more that listens, so that a lost
// connection is noticed whatever the tasks are doing.
type session struct {
	worker   *Worker
	broker   brokers.Broker
	lose     context.CancelCauseFunc
	ending   <-chan struct{} // closed once it is stopped or lost
	calming  sync.Once
	rested   chan struct{}               // closed a while after calming
	calm     bool                        // once rested: nothing is delivered any more
	add      func(queues []string) error // opens one more intake
	schedule schedule
	pulse    health.Pulse // of followSchedule
	over     bool         // the connection was lost; guarded by the memory's lock

	mu      sync.Mutex
	intakes []*intake
	taking  atomic.Int32 // how many they are, for those who cannot wait for the lock
}

var errLost = errors.New("the connection was lost")

// session connects and consumes until ctx ends, when it stops warmly, or until the connection is lost. It tells how
// long it could consume.
func (w *Worker) session(ctx context.Context) (lasted time.Duration, err error) {
	b, err := bounded(ctx, "open the broker", func(ctx context.Context) (brokers.Broker, error) {
		return w.options.Driver.Open(ctx, w.config.URL, w.variant)
	}, func(b brokers.Broker) { b.Close() })
	if err != nil {
		return 0, err
	}
	defer b.Close()
	w.watch.turn.Touch()
	if err := w.bind(ctx, b); err != nil {
		return 0, err
	}
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	// Deliveries are settled after ctx has ended too; not once the connection is closed.
	settle, closed := context.WithCancel(context.WithoutCancel(ctx))
	defer closed()
	s := &session{worker: w, broker: b, lose: lose, ending: ctx.Done(), rested: make(chan struct{})}
	s.schedule.init()
	s.pulse.Touch()
	w.watch.turn.Touch()
	s.add = func(queues []string) error {
		in, err := s.open(ctx, queues)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil: // nobody waits for new lanes any more
			in.end()
			return context.Cause(ctx)
		}
		s.follow(ctx, settle, in)
		return nil
	}
	queues := w.Queues()
	var in *intake
	if len(queues) > 0 { // remote control may have cancelled all of them
		if in, err = s.open(ctx, queues); err != nil {
			return 0, err
		}
	}
	since := time.Now()
	w.current.Store(s)
	w.log.Info("consuming", "worker", w.config.Name, "broker", w.options.Driver.Name, "variant", w.variant.Name, "queues", queues)
	leave := w.attend(ctx, b)
	if w.options.Ready != nil {
		w.options.Ready()
		w.options.Ready = nil
	}
	w.lanes.Add(1)
	go s.followSchedule(ctx, settle)
	if in != nil {
		s.follow(ctx, settle, in)
	}

	w.watch.turning(ctx.Done())
	if cause := context.Cause(ctx); errors.Is(cause, errLost) {
		w.current.Store(nil)
		w.memory.lost(s)
		leave(false)
		return time.Since(since), cause
	}
	w.stop(settle)
	w.stopped = true
	leave(true)
	w.current.Store(nil)
	return time.Since(since), nil
}

// bind declares the queues that have bindings of their own.
func (w *Worker) bind(ctx context.Context, b brokers.Broker) error {
	if len(w.config.Bindings) == 0 {
		return nil
	}
	x, can := b.(brokers.Exchanger)
	if !can {
		return fmt.Errorf("bind the queues: broker %s has no exchanges; name queues alone", w.options.Driver.Name)
	}
	for _, binding := range w.config.Bindings {
		w.watch.turn.Touch()
		_, err := bounded(ctx, "bind queue "+binding.Queue, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, x.Bind(ctx, binding)
		}, func(struct{}) {})
		if err != nil {
			return err
		}
	}
	return nil
}

// bounded waits for one step of connecting no longer than patience, even when the step does not heed its context:
// a connect that hangs for ever is as bad as a broker that is down. What arrives too late is dropped.
func bounded[T any](ctx context.Context, what string, step func(context.Context) (T, error), drop func(T)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	stepCtx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		v, err := step(stepCtx)
		done <- outcome{v, err}
	}()
	var o outcome
	select {
	case o = <-done:
	case <-stepCtx.Done():
		select {
		case o = <-done:
		case <-time.After(notice):
			o.err = context.Cause(stepCtx)
			go func() {
				if late := <-done; late.err == nil {
					drop(late.value)
				}
			}()
		}
	}
	if o.err != nil {
		return o.value, fmt.Errorf("%s: %w", what, o.err)
	}
	return o.value, nil
}
