package worker

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/worker/control"
	"taskbench/worker/pool"
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// manager changes the pool; every pool has one.
func (w *Worker) manager() pool.Manager { return (*w.pool.Load()).(pool.Manager) }

// remoteResize makes the pool larger or smaller, by n or by 1.
func (w *Worker) remoteResize(a args, sign int) (any, error) {
	n, err := control.Arg(a, "n", 1)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, control.Raise("ValueError", "n is %d, and has to be 1 or more", n)
	}
	what := map[int]string{1: "grow", -1: "shrink"}[sign]
	if w.scaled() {
		return control.Refused("pool_%s is not supported with autoscale. Please use autoscale command instead.", what), nil
	}
	size := (*w.pool.Load()).Size() + sign*n
	if size < 1 {
		return nil, control.Raise("ValueError", "the pool would have no places left")
	}
	if err := w.resize(size); err != nil {
		return nil, control.Raise("ValueError", "%v", err)
	}
	return control.OK("pool will %s", what), nil
}

// resize changes the number of places, and the prefetch with it where that follows the concurrency.
func (w *Worker) resize(n int) error {
	if err := w.manager().Resize(n); err != nil {
		return err
	}
	if want := w.config.Multiplier * n; !w.scaled() && w.config.Prefetch == w.config.Multiplier*w.config.Concurrency {
		w.prefetch.Store(int64(min(want, 65_535)))
		if s := w.current.Load(); s != nil {
			s.schedule.nudge()
		}
	}
	return nil
}

func (w *Worker) remoteRestart(context.Context, args) (any, error) {
	if !w.config.PoolRestarts {
		return nil, control.Raise("ValueError", "Pool restarts not enabled")
	}
	w.manager().Restart()
	return control.OK("reload started"), nil
}

// remoteAddConsumer has the worker take tasks from one more queue, with the binding that the command tells.
func (w *Worker) remoteAddConsumer(ctx context.Context, a args) (any, error) {
	var queue, exchange, kind, key string
	for name, into := range map[string]*string{"queue": &queue, "exchange": &exchange, "exchange_type": &kind, "routing_key": &key} {
		var err error
		if *into, err = control.Arg(a, name, ""); err != nil {
			return nil, err
		}
	}
	if queue == "" {
		return nil, control.Raise("TypeError", "add_consumer() missing 1 required positional argument: 'queue'")
	}
	s := w.current.Load()
	if x, can := exchanger(s); can && exchange != "" && exchange != queue {
		if kind == "" {
			kind = string(brokers.Direct)
		}
		if key == "" {
			key = queue
		}
		if err := validKind(brokers.ExchangeKind(kind)); err != nil {
			return nil, control.Raise("ValueError", "%v", err)
		}
		b := brokers.Binding{Exchange: brokers.Exchange{Name: exchange, Kind: brokers.ExchangeKind(kind), Durable: true}, Key: key, Queue: queue}
		if err := x.Bind(ctx, b); err != nil {
			return nil, control.Raise("ValueError", "%v", err)
		}
	}
	if err := w.AddQueue(queue); err != nil {
		return nil, control.Raise("OperationalError", "%v", err)
	}
	return control.OK("add consumer %s", queue), nil
}

func exchanger(s *session) (brokers.Exchanger, bool) {
	if s == nil {
		return nil, false
	}
	x, can := s.broker.(brokers.Exchanger)
	return x, can
}

func (w *Worker) remoteCancelConsumer(_ context.Context, a args) (any, error) {
	queue, err := control.Arg(a, "queue", "")
	if err != nil {
		return nil, err
	}
	if err := w.DropQueue(queue); err != nil {
		return nil, control.Raise("OperationalError", "%v", err)
	}
	return control.OK("no longer consuming from %s", queue), nil
}

func (w *Worker) remoteEvents(on bool) any {
	switch {
	case on && w.events.Enable():
		return control.OK("task events enabled")
	case on:
		return control.OK("task events already enabled")
	case w.events.Disable():
		return control.OK("task events disabled")
	}
	return control.OK("task events already disabled")
}

// learn revokes what other workers have revoked.
func (w *Worker) learn(ids []string) {
	if err := w.revoked.Add(ids...); err != nil {
		w.log.Error("revoked tasks are known until the worker ends, and no longer", "worker", w.config.Name, "err", err)
	}
}
