package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
)

// An intake is one subscription of a session. There is one, and more once remote control has added queues.
type intake struct {
	session   *session
	consumer  brokers.Consumer
	queues    []string
	end       context.CancelFunc // of the subscription, not of what it has delivered
	dry       chan struct{}      // closed once there are no more deliveries
	dried     sync.Once
	ended     atomic.Bool  // on purpose
	listening atomic.Int32 // lanes without a delivery
}

// open starts an intake of queues. Its subscription lasts until ctx ends, or its end is called; the step is bounded by
// patience all the same.
func (s *session) open(ctx context.Context, queues []string) (*intake, error) {
	of, end := context.WithCancel(ctx)
	c, err := bounded(ctx, "consume", func(context.Context) (brokers.Consumer, error) {
		return s.broker.Consume(of, queues, int(s.worker.prefetch.Load()))
	}, func(brokers.Consumer) { end() })
	if err != nil {
		end()
		return nil, err
	}
	return &intake{session: s, consumer: c, queues: queues, end: end, dry: make(chan struct{})}, nil
}

// follow has the intake's deliveries taken.
func (s *session) follow(ctx, settle context.Context, in *intake) {
	s.mu.Lock()
	s.intakes = append(s.intakes, in)
	s.taking.Store(int32(len(s.intakes)))
	s.mu.Unlock()
	in.listen(ctx, settle)
}

// listen adds a lane.
func (in *intake) listen(ctx, settle context.Context) {
	in.listening.Add(1)
	in.session.worker.lanes.Add(1)
	go func() {
		defer in.session.worker.lanes.Done()
		in.lane(ctx, settle)
	}()
}

func (in *intake) lane(ctx, settle context.Context) {
	s := in.session
	spare := int32(s.worker.config.Concurrency)
	a := s.attempt(settle)
	for d := range in.consumer.Deliveries() {
		if in.listening.Add(-1) == 0 {
			in.listen(ctx, settle)
		}
		if !s.take(ctx, settle, a, d) || a.runsOn {
			a = s.attempt(settle) // the old one is on the schedule, or its task's
		}
		if in.listening.Add(1) > spare+1 {
			in.listening.Add(-1)
			return
		}
	}
	in.dried.Do(func() { close(in.dry) })
	if ctx.Err() == nil && !in.ended.Load() {
		why := errors.New("the broker ended the deliveries")
		if err := in.consumer.Err(); err != nil {
			why = fmt.Errorf("%w: %w", why, err)
		}
		s.lose(fmt.Errorf("%w: %w", errLost, why))
	}
}

// setPrefetch bounds the unsettled deliveries of every intake.
func (s *session) setPrefetch(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, in := range s.intakes {
		errs = append(errs, in.consumer.SetPrefetch(n))
	}
	return errors.Join(errs...)
}

// Queues are those that the worker takes tasks from, now or once it is connected.
func (w *Worker) Queues() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.queues)
}

// AddQueue has the worker take tasks from one more queue, on this connection and all that follow; on one that it
// takes from already it does nothing. An error means that it could not begin to now, and will with the next connection.
func (w *Worker) AddQueue(queue string) error {
	w.mu.Lock()
	if slices.Contains(w.queues, queue) {
		w.mu.Unlock()
		return nil
	}
	w.queues = append(w.queues, queue)
	w.mu.Unlock()
	s := w.current.Load()
	if s == nil {
		return nil
	}
	return s.add([]string{queue})
}

// DropQueue has the worker take no more tasks from a queue; those that it has taken are run.
func (w *Worker) DropQueue(queue string) error {
	w.mu.Lock()
	w.queues = slices.DeleteFunc(w.queues, func(q string) bool { return q == queue })
	w.mu.Unlock()
	s := w.current.Load()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.intakes, func(in *intake) bool { return slices.Contains(in.queues, queue) })
	if i < 0 {
		s.mu.Unlock()
		return nil
	}
	in := s.intakes[i]
	s.intakes = slices.Delete(s.intakes, i, i+1)
	s.taking.Store(int32(len(s.intakes)))
	s.mu.Unlock()
	in.ended.Store(true)
	in.end()
	rest := slices.DeleteFunc(slices.Clone(in.queues), func(q string) bool { return q == queue })
	if len(rest) == 0 {
		return nil
	}
	return s.add(rest)
}
