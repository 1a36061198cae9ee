package brokertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"taskbench/brokers"
)

// noticed is how long a lost link may go unnoticed.
const noticed = 10 * time.Second

// outages is about servers and links that fail.
var outages = []Clause{
	{
		Name:  "open-refused-is-definite",
		Why:   "who cannot connect must know it at once, and that nothing was done",
		Hooks: []Hook{Server},
		Check: func(ctx context.Context, e *Env) error {
			urls := brokers.URLs(e.Subject.URL)
			for i, raw := range urls {
				u, err := url.Parse(raw)
				if err != nil {
					return err
				}
				if u.Host, err = deadAddress(); err != nil {
					return err
				}
				urls[i] = u.String()
			}
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			b, err := e.Subject.Driver.Open(ctx, brokers.JoinURLs(urls), e.Subject.Variant)
			if err == nil {
				return errors.Join(errors.New("open succeeds where nobody listens"), b.Close())
			}
			if !brokers.Definite(err) || ctx.Err() != nil {
				return fmt.Errorf("open where nobody listens gives %w, want a Definite error before the deadline", err)
			}
			return nil
		},
	},
	{
		Name:  "survives-kill",
		Why:   "a confirmed task must outlive a crash of the broker's process",
		Needs: []brokers.Promise{brokers.Confirms, brokers.SurvivesKill},
		Hooks: []Hook{Kill},
		Limit: 3 * time.Minute,
		Check: func(ctx context.Context, e *Env) error {
			const n = 50
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, n); err != nil {
				return err
			}
			_, c, err := consumeAfterRestart(ctx, e, q, n)
			if err != nil {
				return err
			}
			ds, err := takeAck(ctx, c, n)
			if err != nil {
				return fmt.Errorf("after the restart: %w", err)
			}
			return each(ds, q, n)
		},
	},
	{
		Name:  "held-survives-kill",
		Why:   "a broker that dies while tasks run must know afterwards which of them are done: no other may be lost, and none of these come again",
		Needs: []brokers.Promise{brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers},
		Hooks: []Hook{Kill},
		Limit: 3 * time.Minute,
		Check: heldSurvivesKill,
	},
	{
		Name:  "acked-survives-kill",
		Why:   "a task that was done before the broker's crash must not be done again after it",
		Needs: []brokers.Promise{brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers},
		Hooks: []Hook{Kill},
		Limit: 3 * time.Minute,
		Check: ackedSurvivesKill,
	},
	{
		Name:  "lost-link-ends-consumer",
		Why:   "a worker that does not know that its link is gone never takes a task again",
		Hooks: []Hook{Break},
		Check: func(ctx context.Context, e *Env) error {
			return endsWhen(ctx, e, e.Subject.Break)
		},
	},
	{
		Name:  "silent-link-ends-consumer",
		Why:   "a link can die without a word, and a worker must notice that too",
		Hooks: []Hook{Silence},
		Check: func(ctx context.Context, e *Env) error {
			restore := func() {}
			defer func() { restore() }()
			return endsWhen(ctx, e, func(ctx context.Context) (err error) {
				restore, err = e.Subject.Silence(ctx)
				return err
			})
		},
	},
	{
		Name:  "unacked-returns-on-lost-link",
		Why:   "what a worker held when its link broke must be done by another",
		Needs: []brokers.Promise{brokers.Redelivers},
		Hooks: []Hook{Break},
		Limit: 2 * time.Minute,
		Check: func(ctx context.Context, e *Env) error {
			const n = 3
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, n); err != nil {
				return err
			}
			_, c, err := consumeElsewhere(ctx, e, q, n)
			if err != nil {
				return err
			}
			if _, err := take(ctx, c, n); err != nil {
				return err
			}
			if err := e.Subject.Break(ctx); err != nil {
				return fmt.Errorf("break links: %w", err)
			}
			if _, c, err = consumeElsewhere(ctx, e, q, n); err != nil {
				return fmt.Errorf("consume after the break: %w", err)
			}
			var ds []brokers.Delivery
			for range n {
				d, err := nextWithin(ctx, c, time.Minute)
				if err != nil {
					return fmt.Errorf("after its holder's link broke: %w", err)
				}
				if err := d.Ack(ctx); err != nil {
					return err
				}
				ds = append(ds, d)
			}
			return each(ds, q, n)
		},
	},
}

// heldSurvivesKill has a server die between the claiming and the acknowledging of a message, with another one behind it.
func heldSurvivesKill(ctx context.Context, e *Env) error {
	q := e.Queue("q")
	c, err := consumeBacklog(ctx, e, q, 2, 1)
	if err != nil {
		return err
	}
	held, err := next(ctx, c)
	if err != nil {
		return err
	}
	if err := e.restart(ctx); err != nil {
		return err
	}
	n := 2
	if held.Ack(ctx) == nil { // that one is done
		n = 1
	}
	_, c, err = consumeElsewhere(ctx, e, q, 2)
	if err != nil {
		return fmt.Errorf("consume after the restart: %w", err)
	}
	var ds []brokers.Delivery
	for range n {
		d, err := nextWithin(ctx, c, time.Minute)
		if err != nil {
			return fmt.Errorf("after the restart, %d of %d messages: %w", len(ds), n, err)
		}
		if err := d.Ack(ctx); err != nil {
			return err
		}
		ds = append(ds, d)
	}
	if n == 2 {
		return each(ds, q, n)
	}
	if id := ds[0].Message().CorrelationID; id != letter(q, 1).CorrelationID {
		return fmt.Errorf("message %s was acknowledged after the restart, and came again", id)
	}
	return nothing(ctx, c)
}

// ackedSurvivesKill has a server die right after messages were acknowledged.
func ackedSurvivesKill(ctx context.Context, e *Env) error {
	const n = 20
	q := e.Queue("q")
	c, err := consumeBacklog(ctx, e, q, n, n)
	if err != nil {
		return err
	}
	if _, err := takeAck(ctx, c, n); err != nil {
		return err
	}
	// AMQP does not answer acks. There this is an exchange behind them on their own channel, and the confirm of the next
	// message is one behind them in their own queue; anywhere else nothing is owed to either.
	if err := c.SetPrefetch(n + 1); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	last, after := letter(q, n), letter(q, n+1)
	if err := e.Broker.Publish(ctx, last); err != nil {
		return fmt.Errorf("publish behind the acks: %w", err)
	}
	if _, err := takeAck(ctx, c, 1); err != nil {
		return err
	}
	b, c, err := consumeAfterRestart(ctx, e, q, n)
	if err != nil {
		return err
	}
	if err := b.Publish(ctx, after); err != nil {
		return fmt.Errorf("publish after the restart: %w", err)
	}
	for came := false; !came; {
		ds, err := takeAck(ctx, c, 1)
		if err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		switch id := ds[0].Message().CorrelationID; id {
		case after.CorrelationID:
			came = true
		case last.CorrelationID: // nothing was answered behind its ack
		default:
			return fmt.Errorf("message %s was acknowledged, and came again after the restart", id)
		}
	}
	if in, ok := b.(brokers.Inspector); ok { // what is in the hands of the dead shows before its lease ends
		if err := eventually(ctx, func() error { return empty(ctx, in, q) }); err != nil {
			return err
		}
	}
	return nothing(ctx, c)
}

// empty makes sure that a queue has no message, in whosever hands, as far as the server can tell.
func empty(ctx context.Context, in brokers.Inspector, queue string) error {
	ready, unacked, err := in.Depth(ctx, queue)
	if err == nil && (ready > 0 || unacked > 0) {
		err = fmt.Errorf("%d ready and %d unacked messages are in a queue all of whose messages were acknowledged", ready, unacked)
	}
	return err
}

// endsWhen hurts a consumer's link and waits for the consumer to end with an error.
func endsWhen(ctx context.Context, e *Env, hurt func(context.Context) error) error {
	q := e.Queue("q")
	c, err := e.Broker.Consume(ctx, []string{q}, 1)
	if err != nil {
		return err
	}
	if err := publish(ctx, e.Broker, q, 1); err != nil {
		return err
	}
	if _, err := takeAck(ctx, c, 1); err != nil { // now it is known to work
		return err
	}
	if err := hurt(ctx); err != nil {
		return fmt.Errorf("hurt links: %w", err)
	}
	if _, err := closes(ctx, c, noticed); err != nil {
		return err
	}
	if c.Err() == nil {
		return errors.New("deliveries are closed without Err saying why")
	}
	return nil
}

// deadAddress returns a loopback address where nobody listens.
func deadAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// consumeAfterRestart kills the server, and consumes on a connection of its own once it is back.
func consumeAfterRestart(ctx context.Context, e *Env, queue string, prefetch int) (brokers.Broker, brokers.Consumer, error) {
	if err := e.restart(ctx); err != nil {
		return nil, nil, err
	}
	b, c, err := consumeElsewhere(ctx, e, queue, prefetch)
	if err != nil {
		return nil, nil, fmt.Errorf("consume after the restart: %w", err)
	}
	return b, c, nil
}
