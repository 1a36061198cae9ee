package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer.
type broker struct {
	cfg    *pgx.ConnConfig
	pool   *pgxpool.Pool
	layout *layout
	writes *group.Group[parcel]
	wishes *group.Group[wish]
	bell   *bell
	seat   feed.Seat[*consumer] // whose this broker's deliveries are
	tasks  sync.WaitGroup
}

// connections is how many the pool has at most: for publishing, for consuming, for the bell and the cleaning up, and for
// who counts and purges. A consumer has one more.
const connections = 6

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	cfg, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	b := &broker{cfg: cfg, layout: layoutOf(v)}
	if err := b.connect(ctx); err != nil {
		return nil, brokers.Refusef("open postgres at %s: %w", address(cfg), explain(err))
	}
	b.writes = group.New(b.write)
	b.wishes = group.New(b.serve)
	b.bell = newBell(b)
	return b, nil
}

func (b *broker) connect(ctx context.Context) error {
	pool, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	pool.ConnConfig = b.cfg
	pool.MaxConns = connections
	pool.MaxConnIdleTime = time.Minute
	if b.pool, err = pgxpool.NewWithConfig(context.Background(), pool); err != nil {
		return err
	}
	err = b.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return prepare(ctx, c.Conn(), b.layout) })
	if err != nil {
		b.pool.Close()
	}
	return err
}

// bounded is a context for an exchange of so many bytes.
func bounded(size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience+time.Duration(size/pace)*time.Second)
}

// attempts is how often a transaction is begun that the server undoes, to end a deadlock.
const attempts = 5

// with lends a connection. Its errors are judged. f is called again when the server has undone it to end a deadlock.
func (b *broker) with(ctx context.Context, f func(c *pgxpool.Conn) error) error {
	c, err := b.pool.Acquire(ctx)
	if err != nil {
		return b.unreached(err)
	}
	defer c.Release()
	for n := 1; ; n++ {
		if err = judge(f(c)); n == attempts || !deadlocked(err) {
			return err
		}
	}
}

// unreached is why there is no connection. It is Definite where the server refused or nobody listens. A link that breaks
// or is silent while a session begins is as much in doubt as any: whoever asked may have given up waiting.
func (b *broker) unreached(err error) error {
	var refused *pgconn.PgError
	var dial *net.OpError
	definite := errors.As(err, &refused) || errors.As(err, &dial) && dial.Op == "dial"
	if err = fmt.Errorf("connect to postgres at %s: %w", address(b.cfg), explain(err)); definite {
		return brokers.Refuse(err)
	}
	return err
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	fail := func(err error) error { return fmt.Errorf("consume from %q in postgres: %w", queues, err) }
	if err := b.seat.Usable(ctx); err != nil {
		return nil, fail(err)
	}
	for _, q := range queues {
		if err := b.layout.fits(q, nil); err != nil {
			return nil, fail(err)
		}
	}
	fresh := func() (*consumer, error) { return newConsumer(ctx, b) }
	c, err := b.seat.Take(fresh, (*consumer).start, (*consumer).hangUp)
	if err != nil {
		return nil, fail(err)
	}
	s := newSource(c, queues, prefetch)
	if err := c.Add(s, func() { b.tasks.Go(s.claim) }); err != nil {
		return nil, fail(err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.wake, Lost: c.Lost(), Cause: c.Cause}), nil
}

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	err = b.ask(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, b.layout.depth, queue).Scan(&ready, &unacked)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s in postgres: %w", queue, err)
	}
	return ready, unacked, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (n int, err error) {
	err = b.ask(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		tag, err := c.Exec(ctx, b.layout.purge, queue)
		n = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge queue %s in postgres: %w", queue, err)
	}
	return n, nil
}

// ask makes an exchange that takes as long as the caller waits.
func (b *broker) ask(ctx context.Context, f func(ctx context.Context, c *pgxpool.Conn) error) error {
	if err := b.seat.Usable(ctx); err != nil {
		return err
	}
	return b.with(ctx, func(c *pgxpool.Conn) error { return f(ctx, c) })
}

// Close implements brokers.Broker. What waits to be sent is sent, and what is held is given back.
func (b *broker) Close() error {
	c, first := b.seat.Close()
	if !first {
		return nil
	}
	b.writes.Close()
	b.wishes.Close()
	if c != nil {
		c.Lose(brokers.ErrClosed)
	}
	b.tasks.Wait()
	b.bell.close()
	b.pool.Close()
	return nil
}
