package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
)

const (
	patience = 10 * time.Second       // how long something that must happen may take
	quiet    = 300 * time.Millisecond // how long nothing must happen before we believe that it never will
)

// An Env is what a clause's check works with.
type Env struct {
	Subject Subject
	Broker  brokers.Broker // open, of this clause's own

	prefix string
	mu     sync.Mutex
	opened []brokers.Broker
	queues map[string]bool
}

// Queue names a queue that only this clause uses. Equal names give equal queues.
func (e *Env) Queue(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	full := "brokertest." + e.prefix + "." + name
	if e.queues == nil {
		e.queues = make(map[string]bool)
	}
	e.queues[full] = true
	return full
}

// Open opens one more connection. It is closed when the clause ends, at the latest.
func (e *Env) Open(ctx context.Context) (brokers.Broker, error) {
	b, err := e.Subject.Driver.Open(ctx, e.Subject.URL, e.Subject.Variant)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = append(e.opened, b)
	return b, nil
}

// kill kills the server, and returns how to start it again: also when the clause's time is over, as the next one needs it.
func (e *Env) kill(ctx context.Context) (start func() error, err error) {
	again, err := e.Subject.Kill(ctx)
	if err != nil {
		return nil, fmt.Errorf("kill the server: %w", err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		if err := again(ctx); err != nil {
			return fmt.Errorf("start the server again: %w", err)
		}
		return nil
	}, nil
}

// restart kills the server and starts it again.
func (e *Env) restart(ctx context.Context) error {
	start, err := e.kill(ctx)
	if err != nil {
		return err
	}
	return start()
}

// close closes what was opened and empties the clause's queues where that is possible.
func (e *Env) close() (err error) {
	for _, b := range e.opened {
		err = errors.Join(err, b.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, openErr := e.Subject.Driver.Open(ctx, e.Subject.URL, e.Subject.Variant)
	if openErr != nil {
		return errors.Join(err, fmt.Errorf("open after the check: %w", openErr))
	}
	if p, ok := b.(brokers.Purger); ok {
		for q := range e.queues {
			_, _ = p.Purge(ctx, q) // tidiness; whether purging works is a clause of its own
		}
	}
	return errors.Join(err, b.Close())
}

// letter is the nth message of a queue. Its correlation id names it.
func letter(queue string, n int) brokers.Message {
	id := fmt.Sprintf("%s#%d", queue, n)
	return brokers.Message{
		Queue: queue, Headers: map[string]any{"id": id, "task": "noop"}, Body: []byte(id),
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: id,
	}
}

// publish publishes letters 0 to n-1, one after the other.
func publish(ctx context.Context, b brokers.Broker, queue string, n int) error {
	for i := range n {
		if err := b.Publish(ctx, letter(queue, i)); err != nil {
			return fmt.Errorf("publish message %d of %d: %w", i+1, n, err)
		}
	}
	return nil
}

// consumeBacklog publishes letters 0 to n-1 and only then consumes their queue.
func consumeBacklog(ctx context.Context, e *Env, queue string, n, prefetch int) (brokers.Consumer, error) {
	if err := publish(ctx, e.Broker, queue, n); err != nil {
		return nil, err
	}
	return e.Broker.Consume(ctx, []string{queue}, prefetch)
}

// next waits for one delivery.
func next(ctx context.Context, c brokers.Consumer) (brokers.Delivery, error) {
	return nextWithin(ctx, c, patience)
}

func nextWithin(ctx context.Context, c brokers.Consumer, within time.Duration) (brokers.Delivery, error) {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			return nil, fmt.Errorf("deliveries are closed, and Err is %w", orNone(c.Err()))
		}
		return d, nil
	case <-t.C:
		return nil, fmt.Errorf("no delivery within %v", within)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a delivery: %w", ctx.Err())
	}
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// take waits for n deliveries and settles none.
func take(ctx context.Context, c brokers.Consumer, n int) ([]brokers.Delivery, error) {
	ds := make([]brokers.Delivery, 0, n)
	for len(ds) < n {
		d, err := next(ctx, c)
		if err != nil {
			return ds, fmt.Errorf("delivery %d of %d: %w", len(ds)+1, n, err)
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// takeAck waits for n deliveries and acknowledges each at once.
func takeAck(ctx context.Context, c brokers.Consumer, n int) ([]brokers.Delivery, error) {
	ds := make([]brokers.Delivery, 0, n)
	for len(ds) < n {
		d, err := next(ctx, c)
		if err != nil {
			return ds, fmt.Errorf("delivery %d of %d: %w", len(ds)+1, n, err)
		}
		if err := d.Ack(ctx); err != nil {
			return ds, fmt.Errorf("ack %s: %w", d.Message().CorrelationID, err)
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// takeEach waits for n deliveries, acknowledges each at once, and makes sure that they are the queue's letters.
func takeEach(ctx context.Context, c brokers.Consumer, queue string, n int) error {
	ds, err := takeAck(ctx, c, n)
	if err != nil {
		return err
	}
	return each(ds, queue, n)
}

// nothing makes sure that no delivery comes.
func nothing(ctx context.Context, c brokers.Consumer) error { return nothingFor(ctx, c, quiet) }

func nothingFor(ctx context.Context, c brokers.Consumer, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			return fmt.Errorf("deliveries are closed, and Err is %w", orNone(c.Err()))
		}
		return fmt.Errorf("message %s was delivered, and nothing should have been", d.Message().CorrelationID)
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closes waits for Deliveries to be closed and returns what came before that.
func closes(ctx context.Context, c brokers.Consumer, within time.Duration) (rest []brokers.Delivery, err error) {
	t := time.NewTimer(within)
	defer t.Stop()
	for {
		select {
		case d, open := <-c.Deliveries():
			if !open {
				return rest, nil
			}
			rest = append(rest, d)
		case <-t.C:
			return rest, fmt.Errorf("deliveries are still open after %v", within)
		case <-ctx.Done():
			return rest, ctx.Err()
		}
	}
}

// eventually polls until check returns nil, and returns its last error when it does not in time.
func eventually(ctx context.Context, check func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// each makes sure that every letter of the queue from 0 to n-1 is among the deliveries exactly once, and no other.
func each(ds []brokers.Delivery, queue string, n int) error {
	times := make(map[string]int)
	for _, d := range ds {
		times[d.Message().CorrelationID]++
	}
	var err error
	for i := range n {
		id := letter(queue, i).CorrelationID
		if times[id] != 1 {
			err = errors.Join(err, fmt.Errorf("message %s was delivered %d times", id, times[id]))
		}
		delete(times, id)
	}
	for id := range times {
		err = errors.Join(err, fmt.Errorf("message %s was delivered and never published", id))
	}
	return err
}
