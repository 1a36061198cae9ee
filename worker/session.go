package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"taskbench/brokers"
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
	worker    *Worker
	broker    brokers.Broker
	consumer  brokers.Consumer
	lose      context.CancelCauseFunc
	listening atomic.Int32 // lanes without a delivery
	schedule  schedule
	over      bool // the connection was lost; guarded by the memory's lock
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
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	// The consumer lasts as long as ctx, and so cannot have the context of the step.
	c, err := bounded(ctx, "consume", func(context.Context) (brokers.Consumer, error) {
		return b.Consume(ctx, w.config.Queues, w.config.Prefetch)
	}, func(brokers.Consumer) {})
	if err != nil {
		return 0, err
	}
	// Deliveries are settled after ctx has ended too; not once the connection is closed.
	settle, closed := context.WithCancel(context.WithoutCancel(ctx))
	defer closed()
	s := &session{worker: w, broker: b, consumer: c, lose: lose}
	s.schedule.init()
	since := time.Now()
	w.current.Store(s)
	w.log.Info("consuming", "worker", w.config.Name, "broker", w.options.Driver.Name, "variant", w.variant.Name, "queues", w.config.Queues)
	if w.options.Ready != nil {
		w.options.Ready()
		w.options.Ready = nil
	}
	w.lanes.Add(1)
	go s.followSchedule(ctx, settle)
	s.listen(ctx, settle)

	<-ctx.Done()
	if cause := context.Cause(ctx); errors.Is(cause, errLost) {
		w.current.Store(nil)
		w.memory.lost(s)
		return time.Since(since), cause
	}
	w.stop(settle)
	w.stopped = true
	w.current.Store(nil)
	return time.Since(since), nil
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

// listen adds a lane.
func (s *session) listen(ctx, settle context.Context) {
	s.listening.Add(1)
	s.worker.lanes.Add(1)
	go func() {
		defer s.worker.lanes.Done()
		s.lane(ctx, settle)
	}()
}

func (s *session) lane(ctx, settle context.Context) {
	spare := int32(s.worker.config.Concurrency)
	a := s.attempt(settle)
	for d := range s.consumer.Deliveries() {
		if s.listening.Add(-1) == 0 {
			s.listen(ctx, settle)
		}
		if !s.take(ctx, settle, a, d) {
			a = s.attempt(settle) // the old one is on the schedule
		}
		if s.listening.Add(1) > spare+1 {
			s.listening.Add(-1)
			return
		}
	}
	if ctx.Err() == nil {
		why := errors.New("the broker ended the deliveries")
		if err := s.consumer.Err(); err != nil {
			why = fmt.Errorf("%w: %w", why, err)
		}
		s.lose(fmt.Errorf("%w: %w", errLost, why))
	}
}

// stop ends a session warmly: its context is over, so that no more deliveries come and nothing new starts.
func (w *Worker) stop(settle context.Context) {
	w.stopping.Store(true)
	done := make(chan struct{})
	go func() { w.lanes.Wait(); close(done) }()
	var over <-chan time.Time
	if w.config.Grace > 0 {
		over = time.After(w.config.Grace)
	}
	select {
	case <-done:
		return
	case <-over:
	}
	w.gaveUp.Store(true)
	w.log.Warn("the grace of the stop is over: giving up what still runs", "worker", w.config.Name, "in_hand", w.memory.inHand())
	(*w.pool.Load()).Cancel(ErrStopped)
	select {
	case <-done:
		return
	case <-time.After(lastCall):
	}
	// These tasks do not heed their context. They run on until the process ends, and somebody else gets them.
	for _, l := range w.memory.leftovers() {
		if err := l.delivery.Nack(settle, true); err == nil {
			w.observe(l.event)
			w.counters.returned.Add(1)
		}
	}
}
