package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"taskbench/brokers"
)

func exchanger(b brokers.Broker) (brokers.Exchanger, error) {
	x, ok := b.(brokers.Exchanger)
	if !ok {
		return nil, errors.New("the broker promises exchanges, and is no Exchanger")
	}
	return x, nil
}

// subscribe subscribes over a connection of its own.
func subscribe(ctx context.Context, e *Env, b brokers.Binding) (brokers.Exchanger, <-chan brokers.Message, error) {
	conn, err := e.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	x, err := exchanger(conn)
	if err != nil {
		return nil, nil, err
	}
	sub, err := x.Subscribe(ctx, b)
	if err != nil {
		return nil, nil, fmt.Errorf("subscribe with key %q: %w", b.Key, err)
	}
	return x, sub, nil
}

func route(ctx context.Context, b brokers.Broker, e brokers.Exchange, key string, m brokers.Message) error {
	x, err := exchanger(b)
	if err != nil {
		return err
	}
	if err := x.Route(ctx, e, key, m); err != nil {
		return fmt.Errorf("route with key %q: %w", key, err)
	}
	return nil
}

// hear waits for one message.
func hear(ctx context.Context, sub <-chan brokers.Message) (brokers.Message, error) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case m, open := <-sub:
		if !open {
			return m, errors.New("the subscription has ended")
		}
		return m, nil
	case <-t.C:
		return brokers.Message{}, fmt.Errorf("no message within %v", patience)
	case <-ctx.Done():
		return brokers.Message{}, fmt.Errorf("wait for a message: %w", ctx.Err())
	}
}

// hears makes sure that these letters come, in this order, and no others.
func hears(ctx context.Context, sub <-chan brokers.Message, name string, letters ...int) error {
	for _, n := range letters {
		m, err := hear(ctx, sub)
		if err != nil {
			return fmt.Errorf("wait for message %d: %w", n, err)
		}
		if want := letter(name, n).CorrelationID; m.CorrelationID != want {
			return fmt.Errorf("message %s came where %s should have", m.CorrelationID, want)
		}
	}
	t := time.NewTimer(quiet)
	defer t.Stop()
	select {
	case m, open := <-sub:
		if !open {
			return errors.New("the subscription has ended")
		}
		return fmt.Errorf("message %s came, and nothing should have", m.CorrelationID)
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// falls waits for a subscription to end.
func falls(ctx context.Context, sub <-chan brokers.Message, within time.Duration) error {
	t := time.NewTimer(within)
	defer t.Stop()
	for {
		select {
		case _, open := <-sub:
			if !open {
				return nil
			}
		case <-t.C:
			return errors.New("the subscription is still open when it should have ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// routed subscribes with each pattern, publishes letters 0, 1, ... with the keys, and makes sure who hears which.
func routed(ctx context.Context, e *Env, x brokers.Exchange, want map[string][]int, keys ...string) error {
	subs := map[string]<-chan brokers.Message{}
	for _, pattern := range slices.Sorted(maps.Keys(want)) {
		_, sub, err := subscribe(ctx, e, brokers.Binding{Exchange: x, Key: pattern, Queue: e.Queue("q " + pattern)})
		if err != nil {
			return err
		}
		subs[pattern] = sub
	}
	for i, key := range keys {
		if err := route(ctx, e.Broker, x, key, letter(x.Name, i)); err != nil {
			return err
		}
	}
	for pattern, sub := range subs {
		if err := hears(ctx, sub, x.Name, want[pattern]...); err != nil {
			return fmt.Errorf("bound with %q: %w", pattern, err)
		}
	}
	return nil
}

// same compares what the contract says is carried, numbers by their value.
func same(want, got brokers.Message) error {
	if fmt.Sprint(want.Headers) != fmt.Sprint(got.Headers) {
		return fmt.Errorf("headers %v became %v", want.Headers, got.Headers)
	}
	if !bytes.Equal(want.Body, got.Body) {
		return fmt.Errorf("body %q became %q", want.Body, got.Body)
	}
	for what, pair := range map[string][2]any{
		"queue": {want.Queue, got.Queue}, "content type": {want.ContentType, got.ContentType},
		"content encoding": {want.ContentEncoding, got.ContentEncoding}, "correlation id": {want.CorrelationID, got.CorrelationID},
		"reply-to": {want.ReplyTo, got.ReplyTo}, "transience": {want.Transient, got.Transient},
	} {
		if pair[0] != pair[1] {
			return fmt.Errorf("%s %v became %v", what, pair[0], pair[1])
		}
	}
	return nil
}
