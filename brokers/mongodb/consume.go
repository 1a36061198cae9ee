package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// How long a consumer that found nothing waits before it looks again, if nobody wakes it: at first; at most, while
// tasks are trickling in; at most, when there have been none for a while; and once it is idle, when what it asks must
// cost a server nothing that anybody would notice.
const (
	firstLook = 2 * time.Millisecond
	busyLook  = 10 * time.Millisecond
	calmLook  = 40 * time.Millisecond
	idleLook  = 250 * time.Millisecond
	trickle   = 500 * time.Millisecond // since the last task
	idleAfter = 2 * time.Second        // the same

	skip = 500 // messages of others that are passed over at once
)

// longestLook bounds the wait of a consumer whose last task came so long ago.
func longestLook(since time.Duration) time.Duration {
	switch {
	case since < trickle:
		return busyLook
	case since < idleAfter:
		return calmLook
	}
	return idleLook
}

// How often a subscription asks the server something, and how long the answer may take: together they bound how long a
// link that died silently goes unnoticed.
const (
	tendEvery  = 1200 * time.Millisecond
	tendWithin = 5 * time.Second
)

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from mongodb: no queue was named")
	}
	if err := b.usable(ctx); err != nil {
		return nil, fmt.Errorf("consume from mongodb: %w", err)
	}
	s := newSubscription(b, queues, prefetch)
	neighbours.join(b.link.place(), s) // before anything that has it leave them
	s.forget = b.link.watch(s.lose)
	err := b.link.do(ctx, func(ctx context.Context) error {
		t, err := b.layout.join(ctx, s)
		if err == nil {
			s.tenure = t
		}
		return err
	})
	if err == nil {
		err = b.subs.Add(s, nil)
	}
	if err != nil { // what was joined after all ends with its lease
		s.forget()
		neighbours.leave(b.link.place(), s)
		return nil, fmt.Errorf("consume from mongodb at %s: %w", b.link.addr, brokers.Refuse(err))
	}
	go s.claim()
	go s.tend()
	return feed.Consume(ctx, s, feed.Signals{Wake: s.filled, Lost: s.lost, Cause: s.cause}), nil
}

// claim fills the buffer as slots become free, until the subscription is halted or the link fails.
func (s *subscription) claim() {
	defer close(s.idle)
	look, last := firstLook, time.Now()
	timer := time.NewTimer(look)
	defer timer.Stop()
	var passed []bson.ObjectID // others' that were met since anything was found
	for !s.halted() {
		want := min(s.free(), s.tenure.most())
		if want <= 0 {
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.lost:
			}
			continue
		}
		select {
		case <-s.knock: // whatever it was about, the claim will see
		default:
		}
		var got []document
		var more []bson.ObjectID
		err := s.b.link.do(context.Background(), func(ctx context.Context) (err error) {
			got, more, err = s.tenure.claim(ctx, s.queues, want, passed)
			return err
		})
		if err != nil {
			s.lose(fmt.Errorf("claim from mongodb: %w", err))
			return
		}
		if len(got) > 0 {
			s.hold(got)
			look, last = firstLook, time.Now()
		}
		if passed = append(passed, more...); len(passed) > skip {
			passed = nil
		}
		if len(got)+len(more) == want {
			continue // there may be more
		}
		passed = nil
		timer.Reset(look)
		select {
		case <-timer.C:
			look = min(2*look, longestLook(time.Since(last)))
		case <-s.knock:
		case <-s.stop:
		case <-s.lost:
		}
	}
}

// tend keeps the tenure, for as long as it has something to keep.
func (s *subscription) tend() {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.lost:
			s.outlast()
			return
		case <-s.spent:
			s.retire()
			return
		}
		began := time.Now()
		err := s.b.link.do(context.Background(), func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, tendWithin)
			defer cancel()
			return s.tenure.tend(ctx)
		})
		if err != nil {
			s.lose(fmt.Errorf("ask mongodb whether it is there, for %v: %w", time.Since(began).Round(time.Millisecond), err))
		}
	}
}

// Settle implements feed.Source.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	s.mu.Lock()
	d, held := s.holds[tag]
	s.mu.Unlock()
	err := errGone
	if held {
		err = s.b.settles.Do(ctx, settlement{sub: s, doc: d, outcome: o}, func(err error) { s.settled(tag, err) })
	}
	if err != nil {
		return fmt.Errorf("settle a message in mongodb: %w", err)
	}
	return nil
}

var errGone = errors.New("the lease had ended, and the message was given to somebody else")
