package brokertest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

type (
	routeFunc     func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error
	bindFunc      func(ctx context.Context, b brokers.Binding) error
	subscribeFunc func(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error)
)

func (b *bent) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	if b.bug.route == nil {
		return b.broker.Route(ctx, e, key, m)
	}
	return b.bug.route(ctx, e, key, m, b.broker.Route)
}

func (b *bent) Bind(ctx context.Context, binding brokers.Binding) error {
	if b.bug.bind == nil {
		return b.broker.Bind(ctx, binding)
	}
	return b.bug.bind(ctx, binding, b.broker.Bind)
}

func (b *bent) Subscribe(ctx context.Context, binding brokers.Binding) (<-chan brokers.Message, error) {
	if b.bug.subscribe == nil {
		return b.broker.Subscribe(ctx, binding)
	}
	return b.bug.subscribe(ctx, binding, b.broker.Subscribe)
}

func exchangeBugs() []bug {
	var n atomic.Int64
	var closed atomic.Bool
	// faithless hands on messages as long as the context lives, and says nothing when the source ends.
	faithless := func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
		in, err := next(ctx, b)
		out := make(chan brokers.Message, 100)
		go func() {
			for m := range in {
				out <- m
			}
			<-ctx.Done()
		}()
		return out, err
	}
	return []bug{
		{
			clause: "fanout-reaches-all", name: "lets subscribers share",
			subscribe: func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
				b.Queue = b.Exchange.Name + "-shared"
				return next(ctx, b)
			},
		},
		{
			clause: "fanout-reaches-all", name: "returns before it is bound",
			subscribe: func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
				out := make(chan brokers.Message)
				time.AfterFunc(time.Second, func() {
					in, err := next(ctx, b)
					for m := range in {
						out <- m
					}
					_ = err // nothing came
				})
				return out, nil
			},
		},
		{
			clause: "direct-goes-by-key", name: "does not look at keys",
			route: func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error {
				return errors.Join(next(ctx, e, "red", m), next(ctx, e, "blue", m))
			},
		},
		{
			clause: "topic-goes-by-pattern", name: "takes a star for a word",
			subscribe: func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
				if b.Key == "task.*" {
					b.Key = "task.star"
				}
				return next(ctx, b)
			},
		},
		{
			clause: "topic-goes-by-pattern", name: "hands out everything",
			subscribe: func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
				b.Key = "#"
				return next(ctx, b)
			},
		},
		{
			clause: "nobody-bound-is-no-error", name: "returns what nobody gets",
			route: func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error {
				if n.Add(1) == 1 {
					return errors.New("no route")
				}
				return next(ctx, e, key, m)
			},
		},
		{
			clause: "routed-message-unchanged", name: "forgets the headers",
			route: func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error {
				m.Headers = nil
				return next(ctx, e, key, m)
			},
		},
		{
			clause: "subscription-ends-with-context", name: "leaves the queue behind",
			subscribe: func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error) {
				if b.Key == "old" {
					b.Key = "new"
				} else {
					b.Key = "old"
				}
				return next(ctx, b)
			},
		},
		{clause: "subscription-ends-with-context", name: "does not tell", subscribe: faithless},
		{
			clause: "bound-queue-lasts", name: "stores a message for each binding",
			route: func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error {
				if key == "eu.fr" {
					return errors.Join(next(ctx, e, key, m), next(ctx, e, key, m))
				}
				return next(ctx, e, key, m)
			},
		},
		{
			clause: "bound-queue-lasts", name: "binds nothing",
			bind: func(context.Context, brokers.Binding, bindFunc) error { return nil },
		},
		{clause: "close-ends-subscription", name: "does not tell", subscribe: faithless},
		{
			clause: "close-ends-subscription", name: "takes messages after its end",
			route: func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error {
				if closed.Load() {
					return nil
				}
				return next(ctx, e, key, m)
			},
			close: func(next func() error) error {
				closed.Store(true)
				return next()
			},
		},
		{clause: "lost-link-ends-subscription", name: "does not tell", subscribe: faithless},
		{clause: "silent-link-ends-subscription", name: "does not tell", subscribe: faithless},
	}
}
