package brokertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
)

var exchangesPromised = []brokers.Promise{brokers.Exchanges}

// exchanges is about brokers that are Exchangers.
var exchanges = []Clause{
	{
		Name:  "fanout-reaches-all",
		Why:   "a command to all workers that one of them does not get leaves them at odds",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			x := brokers.Exchange{Name: e.Queue("x"), Kind: brokers.Fanout}
			var subs []<-chan brokers.Message
			for _, queue := range []string{e.Queue("one"), e.Queue("two"), ""} {
				_, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x, Queue: queue})
				if err != nil {
					return err
				}
				subs = append(subs, sub)
			}
			for i := range 10 { // at once: what is routed after Subscribe has returned is not missed
				if err := route(ctx, e.Broker, x, "", letter(x.Name, i)); err != nil {
					return err
				}
			}
			for i, sub := range subs {
				if err := hears(ctx, sub, x.Name, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9); err != nil {
					return fmt.Errorf("subscriber %d: %w", i+1, err)
				}
			}
			return nil
		},
	},
	{
		Name:  "direct-goes-by-key",
		Why:   "a reply to one client is no business of another",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			x := brokers.Exchange{Name: e.Queue("x"), Kind: brokers.Direct}
			return routed(ctx, e, x, map[string][]int{"red": {0, 3}, "blue": {1}}, "red", "blue", "redder", "red")
		},
	},
	{
		Name:  "topic-goes-by-pattern",
		Why:   "who asked for the events of workers must not drown in those of tasks",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			x := brokers.Exchange{Name: e.Queue("x"), Kind: brokers.Topic}
			return routed(ctx, e, x,
				map[string][]int{"#": {0, 1, 2, 3}, "task.*": {0, 2}, "task.#": {0, 2}, "*.online": {1}, "worker.*.late": {3}, "task.sent": {0}},
				"task.sent", "worker.online", "task.started", "worker.heartbeat.late")
		},
	},
	{
		Name:  "nobody-bound-is-no-error",
		Why:   "an event that nobody listens to is not worth a warning, nor keeping",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			for _, kind := range []brokers.ExchangeKind{brokers.Direct, brokers.Topic, brokers.Fanout} {
				x := brokers.Exchange{Name: e.Queue(string(kind)), Kind: kind}
				if err := route(ctx, e.Broker, x, "key", letter(x.Name, 0)); err != nil {
					return err
				}
				_, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x, Key: "key", Queue: e.Queue("q-" + string(kind))})
				if err != nil {
					return err
				}
				if err := route(ctx, e.Broker, x, "key", letter(x.Name, 1)); err != nil {
					return err
				}
				if err := hears(ctx, sub, x.Name, 1); err != nil {
					return fmt.Errorf("%s: %w", kind, err)
				}
			}
			return nil
		},
	},
	{
		Name:  "routed-message-unchanged",
		Why:   "a command or a reply that arrives otherwise than it was sent is another one",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			for _, kind := range []brokers.ExchangeKind{brokers.Direct, brokers.Fanout} {
				x := brokers.Exchange{Name: e.Queue(string(kind)), Kind: kind}
				q := e.Queue("q-" + string(kind))
				_, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x, Queue: q, TTL: time.Minute, Expires: time.Minute})
				if err != nil {
					return err
				}
				m := letter(x.Name, 0)
				m.Headers = map[string]any{"ticket": "t-1", "clock": 7, "expires": 1795310133.5215437}
				m.Body, m.Transient = []byte("{\"größe\": [\x00\xff]}"), true
				if err := route(ctx, e.Broker, x, "", m); err != nil {
					return err
				}
				got, err := hear(ctx, sub)
				if err != nil {
					return fmt.Errorf("%s: %w", kind, err)
				}
				if m.Queue = q; same(m, got) != nil {
					return fmt.Errorf("%s: %w", kind, same(m, got))
				}
			}
			return nil
		},
	},
	{
		Name:  "subscription-ends-with-context",
		Why:   "a queue that stays behind with its binding fills for ever with replies to a client that has gone",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			x := brokers.Exchange{Name: e.Queue("x"), Kind: brokers.Direct}
			q := e.Queue("q")
			ending, end := context.WithCancel(ctx)
			defer end()
			b, sub, err := subscribe(ending, e, brokers.Binding{Exchange: x, Key: "old", Queue: q})
			if err != nil {
				return err
			}
			end()
			if err := falls(ctx, sub, patience); err != nil {
				return err
			}
			if err := route(ctx, e.Broker, x, "old", letter(q, 0)); err != nil {
				return err
			}
			again, err := b.Subscribe(ctx, brokers.Binding{Exchange: x, Key: "new", Queue: q})
			if err != nil {
				return fmt.Errorf("subscribe again: %w", err)
			}
			for i, key := range []string{"old", "new"} {
				if err := route(ctx, e.Broker, x, key, letter(q, i+1)); err != nil {
					return err
				}
			}
			return hears(ctx, again, q, 2)
		},
	},
	{
		Name:  "bound-queue-lasts",
		Why:   "a task that is routed by a key waits for a worker like any other",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			direct := brokers.Exchange{Name: e.Queue("direct"), Kind: brokers.Direct, Durable: true}
			topic := brokers.Exchange{Name: e.Queue("topic"), Kind: brokers.Topic, Durable: true}
			q := e.Queue("q")
			x, err := exchanger(e.Broker)
			if err != nil {
				return err
			}
			for _, b := range []brokers.Binding{
				{Exchange: direct, Key: "k", Queue: q}, {Exchange: direct, Key: "k", Queue: q}, {Exchange: topic, Key: "eu.#", Queue: q},
				{Exchange: topic, Key: "eu.*", Queue: q},
			} {
				if err := x.Bind(ctx, b); err != nil {
					return fmt.Errorf("bind: %w", err)
				}
			}
			for i, to := range []struct {
				e   brokers.Exchange
				key string
			}{{direct, "k"}, {topic, "eu.fr"}, {direct, "other"}, {topic, "us.fr"}} {
				if err := route(ctx, e.Broker, to.e, to.key, letter(q, i)); err != nil {
					return err
				}
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 10)
			if err != nil {
				return err
			}
			return errors.Join(takeEach(ctx, c, q, 2), nothing(ctx, c))
		},
	},
	{
		Name:  "close-ends-subscription",
		Why:   "who waits for messages over a connection that was closed waits for ever",
		Needs: exchangesPromised,
		Check: func(ctx context.Context, e *Env) error {
			x := brokers.Exchange{Name: e.Queue("x"), Kind: brokers.Fanout}
			b, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x})
			if err != nil {
				return err
			}
			if err := b.(brokers.Broker).Close(); err != nil {
				return err
			}
			if err := falls(ctx, sub, patience); err != nil {
				return err
			}
			_, err = b.Subscribe(ctx, brokers.Binding{Exchange: x})
			if refused := b.Route(ctx, x, "", letter(x.Name, 0)); !brokers.Definite(refused) || !brokers.Definite(err) {
				return fmt.Errorf("after Close, routing gives %w and subscribing %w, want Definite errors", orNone(refused), orNone(err))
			}
			return nil
		},
	},
	{
		Name:  "lost-link-ends-subscription",
		Why:   "a worker that does not know that its mailbox is gone can no longer be told to stop",
		Needs: exchangesPromised,
		Hooks: []Hook{Break},
		Check: func(ctx context.Context, e *Env) error { return fallsWhen(ctx, e, e.Subject.Break) },
	},
	{
		Name:  "silent-link-ends-subscription",
		Why:   "a link can die without a word, and a mailbox must notice that too",
		Needs: exchangesPromised,
		Hooks: []Hook{Silence},
		Check: func(ctx context.Context, e *Env) error {
			restore := func() {}
			defer func() { restore() }()
			return fallsWhen(ctx, e, func(ctx context.Context) (err error) {
				restore, err = e.Subject.Silence(ctx)
				return err
			})
		},
	},
}

// fallsWhen hurts the link of a fanout's and of a direct exchange's subscriber, and waits for both to end.
func fallsWhen(ctx context.Context, e *Env, hurt func(context.Context) error) error {
	subs := map[brokers.ExchangeKind]<-chan brokers.Message{}
	for _, kind := range []brokers.ExchangeKind{brokers.Direct, brokers.Fanout} {
		x := brokers.Exchange{Name: e.Queue(string(kind)), Kind: kind}
		_, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x, Queue: e.Queue("q-" + string(kind))})
		if err != nil {
			return err
		}
		if err := route(ctx, e.Broker, x, "", letter(x.Name, 0)); err != nil {
			return err
		}
		if err := hears(ctx, sub, x.Name, 0); err != nil { // now it is known to work
			return err
		}
		subs[kind] = sub
	}
	if err := hurt(ctx); err != nil {
		return fmt.Errorf("hurt links: %w", err)
	}
	began := time.Now()
	for kind, sub := range subs {
		if err := falls(ctx, sub, noticed-time.Since(began)); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}
