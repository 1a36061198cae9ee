package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer.
type broker struct {
	addr    string // of the server, for people
	db      *sql.DB
	writes  *group.Group[parcel]
	settles *group.Group[settlement]
	seat    feed.Seat[*consumer] // whose this broker's deliveries are
	tasks   sync.WaitGroup
}

// farewell is how long Close waits for the server to take back what is held.
const farewell = 2 * time.Second

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	c, err := configure(url)
	if err != nil {
		return nil, err
	}
	b := &broker{addr: c.Addr, db: connect(c)}
	if v.Name == kombuVariant {
		return openKombu(ctx, b.db, b.addr)
	}
	if err := prepare(ctx, b.db, tables, looks); err != nil {
		_ = b.db.Close() // the first error says more
		return nil, brokers.Refusef("open mysql at %s: %w", b.addr, unwelcome(err))
	}
	b.writes = group.New(b.write)
	b.settles = group.New(b.settle)
	return b, nil
}

// with lends a connection, to be asked again for what the server undid in favour of another. Errors are judged.
func (b *broker) with(ctx context.Context, f func(c *sql.Conn) error) error {
	for {
		err := b.lend(ctx, f)
		if !again(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (b *broker) lend(ctx context.Context, f func(c *sql.Conn) error) error {
	c, err := b.db.Conn(ctx)
	if err != nil {
		return brokers.Refusef("connect to mysql at %s: %w", b.addr, explain(err))
	}
	defer func() { _ = c.Close() }() // back to the pool, which looks at its state
	return judge(f(c))
}

// transact runs f between the beginning of a transaction, which f's first statement makes, and its end.
func transact(ctx context.Context, c *sql.Conn, f func() error) error {
	err := f()
	if err == nil {
		_, err = c.ExecContext(ctx, "COMMIT")
	}
	if err == nil {
		return nil
	}
	if _, failed := c.ExecContext(ctx, "ROLLBACK"); failed != nil {
		// Whatever is left of the transaction ends with the link, which must not be used for another.
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	fail := func(err error) error { return fmt.Errorf("consume from %q in mysql: %w", queues, err) }
	if err := b.seat.Usable(ctx); err != nil {
		return nil, fail(err)
	}
	if len(queues) == 0 {
		return nil, fail(brokers.Refusef("no queue was named"))
	}
	fresh := func() (*consumer, error) { return newConsumer(ctx, b) }
	c, err := b.seat.Take(fresh, (*consumer).start, (*consumer).abandon)
	if err != nil {
		return nil, fail(err)
	}
	s := newSource(c, queues, prefetch)
	if err := c.add(s); err != nil {
		return nil, fail(err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.Wake(), Lost: c.Lost(), Cause: c.Cause}), nil
}

// changed wakes this broker's own consumers of a queue, which then need not find out by asking.
func (b *broker) changed(queue string) {
	if c := b.seat.Last(); c != nil {
		c.changed(queue)
	}
}

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if err = b.seat.Usable(ctx); err == nil {
		err = b.with(ctx, func(c *sql.Conn) error {
			return c.QueryRowContext(ctx, `SELECT
	(SELECT COUNT(*) FROM taskbench_message WHERE queue = ? AND owner = 0),
	(SELECT COUNT(*) FROM taskbench_message WHERE queue = ? AND owner > 0)`, []byte(queue), []byte(queue)).Scan(&ready, &unacked)
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s in mysql: %w", queue, err)
	}
	return ready, unacked, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	var n int64
	err := b.seat.Usable(ctx)
	if err == nil {
		err = b.with(ctx, func(c *sql.Conn) error {
			r, err := c.ExecContext(ctx, `DELETE FROM taskbench_message WHERE queue = ? AND owner = 0`, []byte(queue))
			if err == nil {
				n, err = r.RowsAffected()
			}
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("purge queue %s in mysql: %w", queue, err)
	}
	return int(n), nil
}

// Close implements brokers.Broker. What waits to be sent is sent, and what is held is given back.
func (b *broker) Close() error {
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
	if c != nil {
		c.giveUp()
	}
	_ = b.db.Close() // nothing is under way any more
	return nil
}
