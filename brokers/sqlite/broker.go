package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A broker is one opening of a database: a writer, and readers that it does not hold up.
type broker struct {
	file  string
	db    *sql.DB
	out   *writer
	any   *sql.Stmt            // whether a queue has something ready
	seat  feed.Seat[*consumer] // whose this broker's deliveries are
	tasks sync.WaitGroup
}

// largest is the size of an envelope that is still stored; SQLite's own limit is near.
const largest = 512 << 20

func newBroker(ctx context.Context, file string, v brokers.Variant) (*broker, error) {
	db, err := openDatabase(ctx, file, v)
	if err != nil {
		return nil, err
	}
	out, err := newWriter(ctx, db, file)
	if err != nil {
		return nil, errors.Join(explain(err, file), db.Close())
	}
	ready, err := db.PrepareContext(ctx, `SELECT EXISTS (SELECT 1 FROM message WHERE queue = ? AND owner IS NULL)`)
	if err != nil {
		return nil, errors.Join(explain(err, file), out.close(), db.Close())
	}
	return &broker{file: file, db: db, out: out, any: ready}, nil
}

// A record is a message as its row has it.
type record struct {
	queue    string
	priority int64
	envelope []byte
	expires  any // in milliseconds of Unix time; nil is never
}

func newRecord(m brokers.Message) (record, error) {
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	if err != nil {
		return record{}, err
	}
	if len(data) > largest {
		return record{}, brokers.Refusef("message of %d bytes is larger than %d", len(data), largest)
	}
	r := record{queue: m.Queue, priority: int64(min(m.Priority, 9)), envelope: data}
	if m.Expiration > 0 {
		r.expires = time.Now().Add(m.Expiration).UnixMilli()
	}
	return r, nil
}

// insert returns the job of publishing m.
func insert(m brokers.Message) (func(s *statements) error, error) {
	r, err := newRecord(m)
	if err != nil {
		return nil, err
	}
	return func(s *statements) error { return s.publish(r) }, nil
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	run, err := insert(m)
	if err == nil {
		err = b.out.do(ctx, run, b.published)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in sqlite: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher: the batch shares one commit, but for messages that cannot be encoded.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	runs := make([]func(*statements) error, 0, len(ms))
	for i, m := range ms {
		run, err := insert(m)
		if errs[i] = err; err == nil {
			runs = append(runs, run)
		}
	}
	all := b.out.do(ctx, func(s *statements) error {
		for _, run := range runs {
			if err := run(s); err != nil {
				return err
			}
		}
		return nil
	}, b.published)
	for i, m := range ms {
		if errs[i] == nil {
			errs[i] = all
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("publish to %s in sqlite: %w", m.Queue, errs[i])
		}
	}
	return errs
}

// published wakes this process's own consumers, which need not wait for the change counter.
func (b *broker) published(err error) {
	if err != nil {
		return
	}
	if c := b.seat.Last(); c != nil {
		c.changed()
	}
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if err := b.seat.Usable(ctx); err != nil {
		return nil, err
	}
	fresh := func() (*consumer, error) { return newConsumer(ctx, b) }
	c, err := b.seat.Take(fresh, (*consumer).start, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %q: %w", queues, err)
	}
	s := newSource(c, queues, prefetch)
	if err := c.Add(s, func() { b.tasks.Go(s.claim) }); err != nil {
		return nil, fmt.Errorf("consume from %q: %w", queues, err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.Wake(), Lost: c.Lost(), Cause: c.Cause}), nil
}

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if err := b.seat.Usable(ctx); err != nil {
		return 0, 0, err
	}
	row := b.db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM message WHERE queue = ?1 AND owner IS NULL),
		(SELECT count(*) FROM message INDEXED BY held WHERE queue = ?1 AND owner IS NOT NULL)`, queue)
	if err := row.Scan(&ready, &unacked); err != nil {
		return 0, 0, fmt.Errorf("count queue %s: %w", queue, explain(err, b.file))
	}
	return ready, unacked, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	var n int64
	err := b.out.do(ctx, func(s *statements) error {
		r, err := s.exec(`DELETE FROM message WHERE queue = ? AND owner IS NULL`, queue)
		if err == nil {
			n, err = r.RowsAffected()
		}
		return err
	}, nil)
	if err != nil {
		return 0, fmt.Errorf("purge queue %s: %w", queue, err)
	}
	return int(n), nil
}

// Close implements brokers.Broker.
func (b *broker) Close() error {
	c, first := b.seat.Close()
	if !first {
		return nil
	}
	var err error
	if c != nil {
		c.Lose(brokers.ErrClosed)
		b.tasks.Wait()
		err = c.giveUp()
	}
	if err = errors.Join(err, b.any.Close(), b.out.close(), b.db.Close()); err != nil {
		return fmt.Errorf("close sqlite broker %s: %w", b.file, err)
	}
	return nil
}
