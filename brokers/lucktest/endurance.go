package lucktest

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// endurance is about servers that work, and what may be asked of them.
var endurance = []Clause{
	{
		Name:  "large messages",
		Why:   "a worker whose memory grows with what waits for it is killed by the backlog that it should work off",
		unfit: func(s Subject) bool { return s.Server == "" },
		Check: large,
	},
	{
		Name:  "clocks apart",
		Why:   "a lease by the clock of a client that is wrong is over at once, or lasts for an hour",
		unfit: func(s Subject) bool { return s.Apart == nil },
		Check: func(ctx context.Context, s Subject) error {
			checks := map[string]func() error{}
			for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
				url := s.Apart(ahead)
				checks[fmt.Sprintf("a server %v ahead", ahead)] = func() error { return apart(ctx, s, url) }
			}
			return together(checks)
		},
	},
}

// backlog is how many messages of a MiB wait. The usual number shows what is held of them in memory, as well as ten thousand
// do, for which disks are seldom large enough.
var backlog = flag.Int("backlog", 48, "messages of 1 MiB that wait for a worker in the clause large messages, 48 at least")

const (
	mib      = 1 << 20
	bound    = 24 // how many MiB of them a client may hold: far more than its prefetch, far fewer than there are
	prefetch = 4
)

// large works a backlog off and looks at what of it is in memory.
func large(ctx context.Context, s Subject) (err error) {
	const queue = "lucktest.large"
	messages := *backlog
	if messages < 2*bound {
		return fmt.Errorf("-backlog %d says nothing: %d messages at least", messages, 2*bound)
	}
	b, err := s.Driver.Open(ctx, s.Server, s.Variant)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	body := make([]byte, mib)
	for i := range body {
		body[i] = byte(i >> 8)
	}
	before := heap()
	for i := range messages {
		if err := b.Publish(ctx, brokers.Message{Queue: queue, Body: body, CorrelationID: fmt.Sprint(i)}); err != nil {
			return fmt.Errorf("publish message %d: %w", i+1, err)
		}
	}
	if held := heap() - before; held > bound*mib {
		return fmt.Errorf("%d MiB are in memory after %d messages of 1 MiB were published, want at most %d", held/mib, messages, bound)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := b.Consume(ctx, []string{queue}, prefetch)
	if err != nil {
		return err
	}
	for i := range messages {
		d, err := next(ctx, c, 20*time.Second)
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, messages, err)
		}
		if n := len(d.Message().Body); n != mib {
			return fmt.Errorf("message %d came with %d bytes", i+1, n)
		}
		if i == 0 {
			if err := settles(ctx, c); err != nil {
				return err
			}
		}
		if i%8 == 0 {
			if held := heap() - before; held > bound*mib {
				return fmt.Errorf("%d MiB are in memory with %d messages of 1 MiB to come and a prefetch of %d, want at most %d", held/mib, messages-i, prefetch, bound)
			}
		}
		if err := d.Ack(ctx); err != nil {
			return fmt.Errorf("ack message %d: %w", i+1, err)
		}
	}
	return nil
}

// settles waits until a consumer that has its fill of messages does not change any more.
func settles(ctx context.Context, c brokers.Consumer) error {
	select {
	case <-time.After(300 * time.Millisecond): // for what it might read ahead
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

const (
	kept = 4 * time.Second  // for so long a message is held, of which a lease that is long over would be ended several times
	back = 30 * time.Second // within which a dead consumer's lease ends
	many = 24               // messages, each held by a consumer of its own, of which a server does not forget all
)

// apart has a message held by the living, come back from the dead, delayed and expire, on a server with another clock.
func apart(ctx context.Context, s Subject, url string) (err error) {
	const queue = "lucktest.apart"
	through, relay, err := brokertest.Through(brokertest.Subject{Driver: s.Driver, Variant: s.Variant, URL: url})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, relay.Close()) }()
	mortal, err := s.Driver.Open(ctx, through.URL, s.Variant)
	if err != nil {
		return err
	}
	defer func() { _ = mortal.Close() }() // over a dead link
	b, err := s.Driver.Open(ctx, url, s.Variant)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	held := 1
	if s.Forgets {
		held = many
	}
	for i := range held {
		if err := b.Publish(ctx, brokers.Message{Queue: queue, CorrelationID: "held " + strconv.Itoa(i), Expiration: 30 * time.Minute}); err != nil {
			return err
		}
		holder, err := mortal.Consume(ctx, []string{queue}, 1)
		if err != nil {
			return err
		}
		if _, err := next(ctx, holder, 10*time.Second); err != nil {
			return err
		}
	}
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return err
	}
	if d, err := next(ctx, c, kept); err == nil {
		return fmt.Errorf("message %s came though another consumer holds it", d.Message().CorrelationID)
	} else if c.Err() != nil {
		return err
	}
	restore, err := through.Silence(ctx)
	if err != nil {
		return err
	}
	defer restore()
	d, err := next(ctx, c, back)
	if err != nil {
		return fmt.Errorf("after its holder's link was frozen: %w", err)
	}
	if err := d.Ack(ctx); err != nil {
		return err
	}
	return delayed(ctx, b, c, queue)
}

// delayed has a message wait, where the broker can do that.
func delayed(ctx context.Context, b brokers.Broker, c brokers.Consumer, queue string) error {
	waits, able := b.(brokers.Delayer)
	if !able {
		return nil
	}
	const delay = time.Second
	began := time.Now()
	if err := waits.Delay(ctx, brokers.Message{Queue: queue, CorrelationID: "delayed"}, began.Add(delay)); err != nil {
		return err
	}
	var d brokers.Delivery
	for d == nil || d.Message().CorrelationID != "delayed" { // more of what was held may come
		var err error
		if d, err = next(ctx, c, 15*time.Second); err != nil {
			return fmt.Errorf("what was delayed by a second: %w", err)
		}
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
	if took := time.Since(began); took < delay/2 {
		return fmt.Errorf("what was delayed by a second came after %v", took)
	}
	return nil
}

func next(ctx context.Context, c brokers.Consumer, within time.Duration) (brokers.Delivery, error) {
	select {
	case d, open := <-c.Deliveries():
		if !open {
			return nil, fmt.Errorf("the consumer has ended: %w", cmp.Or(c.Err(), errors.New("without an error")))
		}
		return d, nil
	case <-time.After(within):
		return nil, fmt.Errorf("nothing came within %v", within)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
