package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// unbounded is the bound that stands for a prefetch of 0: without one the server would send the whole queue.
const unbounded = 1000

// subscription implements feed.Source over one channel. The server bounds each queue's consumer by itself, which is
// the only way that quorum queues know; over several queues the bound is kept here.
type subscription struct {
	b       *broker
	channel *amqp.Channel
	acks    *acks // of the channel
	queues  []string
	arrived chan struct{} // tells feed that there may be something to take
	lost    chan struct{}
	pumps   sync.WaitGroup
	retune  sync.Mutex // held while consumers are replaced

	mu      sync.Mutex
	limit   int
	taken   int                  // by feed, and not settled
	backlog []amqp.Delivery      // arrived and not taken
	holds   map[uint64]delivered // taken and not settled
	tags    []string             // of the consumers
	serial  int
	ended   bool
	err     error
}

type delivered struct {
	queue string
	d     amqp.Delivery
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from rabbitmq: no queue was named")
	}
	t, err := b.consumes.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("consume from rabbitmq: %w", err)
	}
	s := &subscription{
		b: b, queues: slices.Clone(queues), limit: bound(prefetch), holds: map[uint64]delivered{},
		arrived: make(chan struct{}, 1), lost: make(chan struct{}),
	}
	done := make(chan error, 1)
	go func() { done <- s.start(t) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		go func() {
			if <-done == nil {
				s.End(nil)
			}
		}()
		return nil, brokers.Refusef("consume from rabbitmq: %w", ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("consume from rabbitmq: %w", err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.arrived, Lost: s.lost, Cause: s.cause}), nil
}

func bound(prefetch int) int {
	if prefetch <= 0 {
		return unbounded
	}
	return prefetch
}

func (s *subscription) start(t *topology) error {
	for _, q := range s.queues {
		if err := t.declare(q); err != nil {
			return err
		}
	}
	ch, err := t.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	s.channel, s.acks = ch, newAcks(ch.Ack)
	closed, cancelled := ch.NotifyClose(make(chan *amqp.Error, 1)), ch.NotifyCancel(make(chan string, len(s.queues)))
	go func() {
		for {
			select {
			case tag, ok := <-cancelled:
				if ok {
					s.lose(fmt.Errorf("the server ended consumer %s: its queue was removed, or its node went down", tag))
				}
				cancelled = nil
			case why := <-closed:
				if why != nil {
					s.lose(why)
				}
				s.lose(amqp.ErrClosed)
				return
			}
		}
	}()
	if err := s.tune(); err != nil {
		_ = ch.Close() // it may be closed already
		return err
	}
	return nil
}

// tune starts a consumer for each queue, with the present limit: a consumer keeps the one that it began with.
func (s *subscription) tune() error {
	s.mu.Lock()
	limit := s.limit
	s.serial++
	serial := s.serial
	s.mu.Unlock()
	if err := s.channel.Qos(min(limit, 65535), 0, false); err != nil {
		return fmt.Errorf("set prefetch to %d: %w", limit, err)
	}
	s.acks.limit(limit)
	for i, q := range s.queues {
		tag := strconv.Itoa(serial) + "." + strconv.Itoa(i)
		deliveries, err := s.channel.Consume(q, tag, false, false, false, false, nil)
		if err != nil {
			return fmt.Errorf("consume queue %s: %w", q, err)
		}
		s.mu.Lock()
		s.tags = append(s.tags, tag)
		s.mu.Unlock()
		s.pumps.Go(func() { s.pump(deliveries) })
	}
	return nil
}

// cancel ends the consumers. What the server had sent has been pumped when it returns.
func (s *subscription) cancel() error {
	s.mu.Lock()
	tags := s.tags
	s.tags = nil
	s.mu.Unlock()
	var errs []error
	for _, tag := range tags {
		errs = append(errs, s.channel.Cancel(tag, false))
	}
	err := errors.Join(errs...)
	if err == nil {
		s.pumps.Wait()
	}
	return err
}

func (s *subscription) pump(deliveries <-chan amqp.Delivery) {
	for d := range deliveries {
		s.mu.Lock()
		s.backlog = append(s.backlog, d)
		s.mu.Unlock()
		s.signal()
	}
}

func (s *subscription) signal() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *subscription) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.ended {
		s.err = err
		close(s.lost)
	}
}

func (s *subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// queueOf finds the queue of a delivery by its consumer's tag.
func (s *subscription) queueOf(d *amqp.Delivery) string {
	for i := len(d.ConsumerTag) - 1; i >= 0; i-- {
		if d.ConsumerTag[i] == '.' {
			n, _ := strconv.Atoi(d.ConsumerTag[i+1:]) // we wrote it
			return s.queues[n]
		}
	}
	return ""
}
