package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
)

const (
	largest       = 256 << 20 // bytes of one message; the server's own limit of a whole exchange is 1 GiB
	exchangeBytes = 4 << 20   // written in one exchange, unless one message is larger
	exchangeCount = 1024
)

// A parcel is an encoded message on its way to a table.
type parcel struct {
	queue    string
	priority int16
	payload  []byte
	life     *int64 // milliseconds; nil is for ever
	delayed  bool
	wait     int64 // milliseconds
}

// storable tells whether a text column can hold it.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func (b *broker) pack(m brokers.Message) (parcel, error) {
	payload, err := b.layout.encode(m)
	if err == nil {
		err = b.layout.fits(m.Queue, payload)
	}
	p := parcel{queue: m.Queue, priority: int16(min(m.Priority, 9)), payload: payload}
	if m.Expiration > 0 {
		life := max(m.Expiration.Milliseconds(), 1)
		p.life = &life
	}
	return p, err
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	p, err := b.pack(m)
	if err == nil {
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in postgres: %w", m.Queue, err)
	}
	return nil
}

// Delay implements brokers.Delayer.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	wait := time.Until(until)
	if wait <= 0 {
		return b.Publish(ctx, m)
	}
	p, err := b.pack(m)
	if err == nil {
		p.delayed, p.wait = true, wait.Milliseconds()
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s in postgres: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher. Of the messages that can be encoded, those up to a bound share a commit.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return b.writes.PublishAll(ctx, "postgres", ms, b.pack)
}

// write stores what waits, in transactions of a bounded size: each holds all of its messages or none.
func (b *broker) write(ps []parcel) []error {
	errs := make([]error, 0, len(ps))
	for len(ps) > 0 {
		n, size := 0, 0
		for n < len(ps) && n < exchangeCount && (n == 0 || size+len(ps[n].payload) <= exchangeBytes) {
			size += len(ps[n].payload)
			n++
		}
		err := b.store(ps[:n], size)
		for range n {
			errs = append(errs, err)
		}
		ps = ps[n:]
	}
	return errs
}

func (b *broker) store(ps []parcel, size int) error {
	var now, later columns
	for _, p := range ps {
		if p.delayed {
			later.add(p)
		} else {
			now.add(p)
		}
	}
	ctx, cancel := bounded(size)
	defer cancel()
	err := b.with(ctx, func(c *pgxpool.Conn) error {
		batch := &pgx.Batch{}
		b.declare(batch, now.queues)
		b.declare(batch, later.queues)
		if len(now.queues) > 0 {
			batch.Queue(b.layout.insert, now.queues, now.priorities, now.payloads, now.lives)
		}
		if len(later.queues) > 0 {
			batch.Queue(b.layout.delay, later.queues, later.priorities, later.payloads, later.lives, later.waits)
		}
		return c.SendBatch(ctx, batch).Close()
	})
	if err == nil {
		b.bell.ring(now.queues...)
	}
	return err
}

// columns are parcels the other way round.
type columns struct {
	queues     []string
	priorities []int16
	payloads   [][]byte
	lives      []*int64
	waits      []int64
}

func (c *columns) add(p parcel) {
	c.queues = append(c.queues, p.queue)
	c.priorities = append(c.priorities, p.priority)
	c.payloads = append(c.payloads, p.payload)
	c.lives = append(c.lives, p.life)
	c.waits = append(c.waits, p.wait)
}

// declare adds to a batch what makes queues known, where that is needed.
func (b *broker) declare(batch *pgx.Batch, queues []string) {
	if b.layout.declare != "" && len(queues) > 0 {
		batch.Queue(b.layout.declare, queues)
	}
}
