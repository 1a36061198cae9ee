package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

const (
	lease       = 5 * time.Second
	renewEvery  = time.Second
	ripenAtOnce = 500
)

// A consumer is what a broker's deliveries belong to: in the lease layout a row that says that its process is alive. It
// has a connection of its own, which renews the lease, listens to the bell, and notices when the link is dead.
type consumer struct {
	*feed.Set[*source] // lost when the consumer has ended

	broker  *broker
	conn    *pgx.Conn // its own
	owner   int64
	mending atomic.Bool
}

func newConsumer(ctx context.Context, b *broker) (*consumer, error) {
	cfg := b.cfg.Copy()
	cfg.RuntimeParams["synchronous_commit"] = "off" // a lease need not outlive the server
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, brokers.Refusef("connect to postgres at %s: %w", address(cfg), explain(err))
	}
	c := &consumer{Set: feed.NewSet[*source](), broker: b, conn: conn}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it is only for people who look
	}
	name := fmt.Sprintf("pid %d on %s", os.Getpid(), host)
	if _, err = conn.Exec(ctx, "LISTEN "+channel); err == nil {
		err = conn.QueryRow(ctx, b.layout.register, name, lease.Milliseconds()).Scan(&c.owner)
	}
	if err != nil {
		c.hangUp()
		return nil, fmt.Errorf("register a consumer: %w", judge(err))
	}
	return c, nil
}

// hangUp closes the connection without waiting for a server that may not answer.
func (c *consumer) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = c.conn.Close(ctx)
}

func (c *consumer) start() { c.broker.tasks.Go(c.keep) }

// changed tells the sources of a queue, of all where it is "", that there may be something to claim.
func (c *consumer) changed(queue string) {
	for s := range c.All() {
		if queue == "" || slices.Contains(s.queues, queue) {
			s.poke(true)
		}
	}
}

// keep renews the lease and listens, until the consumer ends. Then it gives back what is held, if that can be done.
func (c *consumer) keep() {
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	err := c.listen(ctx)
	if err != nil {
		c.Lose(err)
	}
	c.hangUp()
	if errors.Is(c.Cause(), brokers.ErrClosed) || c.broker.layout.owned && !errors.Is(err, errLapsed) {
		c.giveUp()
	}
}

// listen returns nil when ctx ends, and else why the consumer is to end.
func (c *consumer) listen(ctx context.Context) error {
	due := time.Now() // of the next renewal
	for ctx.Err() == nil {
		if !time.Now().Before(due) {
			next, err := c.renew(ctx)
			if err != nil {
				return err
			}
			due = time.Now().Add(next)
			c.changed("") // a ring may have been lost, or was not to be expected
		}
		wait, cancel := context.WithDeadline(ctx, due)
		n, err := c.conn.WaitForNotification(wait)
		expired := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
			c.changed(n.Payload)
		case !expired || c.conn.IsClosed():
			return fmt.Errorf("listen to postgres at %s: %w", address(c.broker.cfg), explain(err))
		}
	}
	return nil
}

// renew also sees to what is due, and finds out whether the consumer's row is still there. It tells when to come again.
func (c *consumer) renew(ctx context.Context) (next time.Duration, err error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mend bool
	var due *float64
	next = renewEvery / time.Duration(c.broker.layout.look)
	err = c.conn.QueryRow(bounded, c.broker.layout.renew, c.owner, lease.Milliseconds()).Scan(&mend, &due)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, errLapsed
	case err != nil:
		return 0, fmt.Errorf("renew the lease in postgres at %s: %w", address(c.broker.cfg), explain(err))
	}
	ripe := due != nil && *due <= 0
	if (mend || ripe) && c.mending.CompareAndSwap(false, true) {
		c.broker.tasks.Go(func() { // a long clean-up must not hold up the renewing
			defer c.mending.Store(false)
			c.mend(mend, ripe)
		})
	}
	if due != nil && *due > 0 {
		next = min(next, time.Duration(*due*float64(time.Second))+time.Millisecond)
	}
	return next, nil
}

// mend gives back what lapsed consumers hold, deletes what has expired, and makes ready what is due. What goes wrong will
// go right, or be told, at another time.
func (c *consumer) mend(mend, ripe bool) {
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	if mend {
		c.broker.wakeAfter(ctx, c.broker.layout.mend)
	}
	for ripe && ctx.Err() == nil {
		n := 0
		err := c.broker.with(ctx, func(conn *pgxpool.Conn) error {
			n = 0
			rows, err := conn.Query(ctx, c.broker.layout.ripen, ripenAtOnce)
			if err != nil {
				return err
			}
			var queue string
			var moved int
			_, err = pgx.ForEachRow(rows, []any{&queue, &moved}, func() error {
				n += moved
				c.broker.bell.ring(queue)
				return nil
			})
			return err
		})
		ripe = err == nil && n == ripenAtOnce // there may be more
	}
}

// wakeAfter carries out statements, which take the same values, in one transaction, and rings for the queues that they give.
func (b *broker) wakeAfter(ctx context.Context, statements []string, values ...any) {
	var queues []string
	err := b.with(ctx, func(conn *pgxpool.Conn) error {
		queues = nil
		batch := &pgx.Batch{}
		for _, statement := range statements {
			batch.Queue(statement, values...)
		}
		results := conn.SendBatch(ctx, batch)
		var failed error
		for range statements {
			rows, err := results.Query()
			if err != nil {
				failed = err
				break
			}
			if len(rows.FieldDescriptions()) == 0 {
				rows.Close()
				continue
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			queues, failed = append(queues, got...), errors.Join(failed, err)
		}
		return errors.Join(failed, results.Close())
	})
	if err == nil {
		b.bell.ring(queues...)
	}
}

// giveUp returns what is held. Where that has no owner who could have lost it meanwhile, it is for Close alone, before which
// nothing of it can have been handed out again.
func (c *consumer) giveUp() {
	ids := []int64{}
	for _, s := range slices.Collect(c.All()) {
		<-s.ended // a claim under way may bring more
		ids = append(ids, s.held()...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.broker.wakeAfter(ctx, c.broker.layout.release, c.owner, ids)
}
