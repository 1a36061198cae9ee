package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"taskbench/brokers"
)

// publishing is about what a publish's return says, and about calls that come too late.
var publishing = []Clause{
	{
		Name:  "confirmed-is-stored",
		Why:   "a publisher that was told yes throws its copy away",
		Needs: []brokers.Promise{brokers.Confirms},
		Check: func(ctx context.Context, e *Env) error {
			const n = 20
			q := e.Queue("q")
			for i := range n {
				b, err := e.Open(ctx)
				if err != nil {
					return err
				}
				if err := b.Publish(ctx, letter(q, i)); err != nil {
					return err
				}
				if err := b.Close(); err != nil { // at once: what was only buffered is lost now
					return err
				}
			}
			c, err := e.Broker.Consume(ctx, []string{q}, n)
			if err != nil {
				return err
			}
			return takeEach(ctx, c, q, n)
		},
	},
	{
		Name: "concurrent-publishers",
		Why:  "a broker is used by many goroutines at once, and must mix nothing up",
		Check: func(ctx context.Context, e *Env) error {
			const publishers, each1 = 32, 20
			q := e.Queue("q")
			errs := make([]error, publishers)
			var wg sync.WaitGroup
			for p := range publishers {
				wg.Go(func() {
					for i := range each1 {
						errs[p] = errors.Join(errs[p], e.Broker.Publish(ctx, letter(q, p*each1+i)))
					}
				})
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				return err
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 100)
			if err != nil {
				return err
			}
			if err := takeEach(ctx, c, q, publishers*each1); err != nil {
				return err
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "batch-tells-each",
		Why:  "one bad message in a batch must neither sink the others nor pass for published",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			ms := []brokers.Message{letter(q, 0), letter(q, 9), letter(q, 1)}
			ms[1].Headers = map[string]any{"unencodable": make(chan int)}
			errs := publishAll(ctx, e.Broker, ms)
			if len(errs) != len(ms) {
				return fmt.Errorf("%d errors for %d messages", len(errs), len(ms))
			}
			if errs[0] != nil || errs[2] != nil {
				return fmt.Errorf("the good messages of the batch: %w", errors.Join(errs[0], errs[2]))
			}
			if errs[1] == nil || !brokers.Definite(errs[1]) {
				return fmt.Errorf("a message that cannot be encoded gives %w, want a Definite error", orNone(errs[1]))
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 3)
			if err != nil {
				return err
			}
			if err := takeEach(ctx, c, q, 2); err != nil {
				return err
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "cancelled-publish-does-nothing",
		Why:  "a task whose sender had given up must not run, and its sender must know that it will not",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := e.Broker.Consume(ctx, []string{q}, 1)
			if err != nil {
				return err
			}
			over, cancel := context.WithCancel(ctx)
			cancel()
			if err := e.Broker.Publish(over, letter(q, 0)); err == nil || !brokers.Definite(err) {
				return fmt.Errorf("publish with a cancelled context gives %w, want a Definite error", orNone(err))
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "cancelled-consume-ends",
		Why:  "a consumer that nobody waits for must not hold messages",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			over, cancel := context.WithCancel(ctx)
			cancel()
			if c, err := e.Broker.Consume(over, []string{q}, 1); err == nil {
				if _, err := closes(ctx, c, patience); err != nil {
					return err
				}
			}
			c, err := consumeBacklog(ctx, e, q, 1, 1)
			if err != nil {
				return err
			}
			_, err = takeAck(ctx, c, 1)
			return err
		},
	},
	{
		Name: "closed-broker-refuses",
		Why:  "a call that comes after the end is a mistake that its caller must hear of",
		Check: func(ctx context.Context, e *Env) error {
			b, err := e.Open(ctx)
			if err != nil {
				return err
			}
			if err := b.Close(); err != nil {
				return err
			}
			q := e.Queue("q")
			if err := b.Publish(ctx, letter(q, 0)); !errors.Is(err, brokers.ErrClosed) {
				return fmt.Errorf("publish after close gives %w, want ErrClosed", orNone(err))
			}
			if _, err := b.Consume(ctx, []string{q}, 1); !errors.Is(err, brokers.ErrClosed) {
				return fmt.Errorf("consume after close gives %w, want ErrClosed", orNone(err))
			}
			return nil
		},
	},
	{
		Name: "closes-twice",
		Why:  "cleaning up runs on every way out, and more than once on some",
		Check: func(ctx context.Context, e *Env) error {
			b, err := e.Open(ctx)
			if err != nil {
				return err
			}
			for _, time := range []string{"first", "second"} {
				if err := b.Close(); err != nil {
					return fmt.Errorf("%s close: %w", time, err)
				}
			}
			return nil
		},
	},
}

// publishAll uses the batch where there is one; what it says must be the same without.
func publishAll(ctx context.Context, b brokers.Broker, ms []brokers.Message) []error {
	if batcher, ok := b.(brokers.Batcher); ok {
		return batcher.PublishBatch(ctx, ms)
	}
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = b.Publish(ctx, m)
	}
	return errs
}
