package table

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// A Broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer.
type Broker struct {
	base    Base
	turn    sync.Mutex // of who writes, where there is one at a time
	writes  *group.Group[parcel]
	settles *group.Group[settlement]
	seat    feed.Seat[*consumer] // whose this broker's deliveries are
	tasks   sync.WaitGroup

	mu  sync.Mutex
	ids map[string]int64 // of queues that are known
}

// Open makes a broker of a database. What fails later fails there: nothing is asked of it yet.
func Open(base Base) *Broker {
	b := &Broker{base: base, ids: map[string]int64{}}
	b.writes = group.New(b.write)
	b.settles = group.New(b.settle)
	return b
}

// Consume implements brokers.Broker.
func (b *Broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	s, err := b.subscribe(ctx, queues, prefetch)
	if err != nil {
		return nil, fmt.Errorf("consume from %q in %s: %w", queues, b.base.Name, err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.Wake(), Lost: s.consumer.Lost(), Cause: s.consumer.Cause}), nil
}

func (b *Broker) subscribe(ctx context.Context, queues []string, prefetch int) (*source, error) {
	if err := b.seat.Usable(ctx); err != nil {
		return nil, err
	}
	for _, q := range queues {
		if err := b.base.fits(q, nil); err != nil {
			return nil, err
		}
	}
	ids, err := b.number(ctx, queues)
	if err != nil {
		return nil, err
	}
	fresh := func() (*consumer, error) { return newConsumer(ctx, b) }
	c, err := b.seat.Take(fresh, (*consumer).start, (*consumer).discard)
	if err != nil {
		return nil, err
	}
	s := newSource(c, queues, ids, prefetch)
	return s, c.Add(s, func() { b.tasks.Go(s.claim) })
}

// changed wakes this broker's own sources of queues, which then need not find out by asking.
func (b *Broker) changed(queues ...int64) {
	if c := b.seat.Last(); c != nil {
		c.changed(queues...)
	}
}

// Depth implements brokers.Inspector.
func (b *Broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if err = b.seat.Usable(ctx); err == nil {
		err = b.base.Judge(b.base.DB.QueryRowContext(ctx, `SELECT COUNT(*) FROM kombu_message
WHERE visible = 1 AND queue_id = (SELECT id FROM kombu_queue WHERE name = ?)`, queue).Scan(&ready))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s in %s: %w", queue, b.base.Name, err)
	}
	return ready, -1, nil
}

// Purge implements brokers.Purger. Unlike kombu it spares what is held.
func (b *Broker) Purge(ctx context.Context, queue string) (int, error) {
	var n int64
	err := b.seat.Usable(ctx)
	if err == nil {
		r, failed := b.exec(ctx, `DELETE FROM kombu_message
WHERE visible = 1 AND queue_id = (SELECT id FROM kombu_queue WHERE name = ?)`, queue)
		if err = failed; err == nil {
			n, err = r.RowsAffected()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("purge queue %s in %s: %w", queue, b.base.Name, err)
	}
	return int(n), nil
}

// farewell is how long Close waits for the database to take back what is held.
const farewell = 2 * time.Second

// Close implements brokers.Broker. What waits to be sent is sent, and what is held is given back, as kombu does.
func (b *Broker) Close() error {
	c, first := b.seat.Close()
	if !first {
		return nil
	}
	b.writes.Close()
	b.settles.Close()
	if c != nil {
		c.Lose(brokers.ErrClosed)
	}
	b.tasks.Wait()
	if c != nil && errors.Is(c.Cause(), brokers.ErrClosed) {
		b.giveUp(c.held())
	}
	if err := b.base.DB.Close(); err != nil {
		return fmt.Errorf("close %s: %w", b.base.Name, err)
	}
	return nil
}

func (b *Broker) giveUp(held []int64) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = inChunks(held, func(part []int64) error { // it was that or nothing: there is no lease that would end
		_, err := b.exec(ctx, backSQL+places(len(part)), values(part)...)
		return err
	})
}
