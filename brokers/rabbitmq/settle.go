package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// Take implements feed.Source.
func (s *subscription) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := max(0, min(len(s.backlog), s.limit-s.taken))
	for i := range n {
		d := s.backlog[i]
		q := s.queueOf(&d)
		s.holds[d.DeliveryTag] = delivered{queue: q, d: d}
		buf = append(buf, feed.Item{Tag: d.DeliveryTag, Message: incoming(q, &d), Redelivered: d.Redelivered, Deliveries: deliveries(d.Headers)})
	}
	s.taken += n
	rest := copy(s.backlog, s.backlog[n:])
	clear(s.backlog[rest:])
	s.backlog = s.backlog[:rest]
	return buf
}

// Settle implements feed.Source.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	s.mu.Lock()
	h := s.holds[tag]
	s.mu.Unlock()
	var err error
	switch o {
	case feed.Ack:
		err = s.acks.settle(tag)
	case feed.Requeue, feed.Unseen:
		err = s.nack(tag)
	case feed.Reject:
		err = s.reject(ctx, tag, h)
	}
	if errors.Is(err, amqp.ErrClosed) || err == nil || !brokers.Definite(err) {
		s.settled(tag)
	}
	if err != nil {
		return fmt.Errorf("settle a message of %s: %w", h.queue, err)
	}
	return nil
}

// reject puts a confirmed copy aside before the message is acknowledged. Where nobody knows whether the copy was
// stored, the message goes back: to be there twice is better than not at all.
func (s *subscription) reject(ctx context.Context, tag uint64, h delivered) error {
	m := incoming(brokers.DeadLetterQueue(h.queue), &h.d)
	if _, err := outgoing(m, false); err != nil {
		m.Headers = map[string]any{"x-taskbench-headers-lost": err.Error()} // better than a message that can never be settled
	}
	if err := s.b.Publish(ctx, m); err != nil {
		if !brokers.Definite(err) {
			err = errors.Join(err, s.nack(tag))
		}
		return err
	}
	return s.acks.settle(tag)
}

func (s *subscription) nack(tag uint64) error {
	err := s.channel.Nack(tag, false, true)
	if err == nil {
		s.acks.settled(tag)
	}
	return err
}

// settled makes room, and ends the channel with the last delivery of a subscription that has ended.
func (s *subscription) settled(tag uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.holds[tag]; !held {
		return
	}
	delete(s.holds, tag)
	s.taken--
	if len(s.backlog) > 0 {
		s.signal()
	}
	if s.ended && s.taken == 0 {
		go func() { _ = s.channel.Close() }() // it may be closed already
	}
}

// SetPrefetch implements feed.Source.
func (s *subscription) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	s.retune.Lock()
	defer s.retune.Unlock()
	s.mu.Lock()
	same := s.limit == bound(n)
	s.limit = bound(n)
	ended := s.ended
	s.mu.Unlock()
	if same || ended {
		return nil
	}
	if err := s.cancel(); err != nil {
		return fmt.Errorf("set prefetch to %d: %w", n, err)
	}
	err := s.tune()
	s.signal()
	return err
}

// End implements feed.Source.
func (s *subscription) End(unseen []uint64) {
	s.retune.Lock()
	defer s.retune.Unlock()
	if s.cancel() != nil {
		return // the link is lost, and the server gives everything to others
	}
	s.mu.Lock()
	s.ended = true
	for _, d := range s.backlog {
		unseen = append(unseen, d.DeliveryTag)
	}
	s.backlog = nil
	s.mu.Unlock()
	for _, tag := range unseen {
		_ = s.nack(tag) // where this fails, the link is lost
		s.settled(tag)
	}
	s.mu.Lock()
	over := s.taken == 0
	s.mu.Unlock()
	if over {
		_ = s.channel.Close() // it may be closed already
	}
}
