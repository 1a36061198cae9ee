package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

const (
	lease      = 5 * time.Second
	renewEvery = 1500 * time.Millisecond
)

// A consumer is the row that says that a broker's process is alive: what its sources hold belongs to it. It has a
// connection of its own, which renews the lease and notices when the link is dead.
type consumer struct {
	*feed.Set[*source] // lost when the consumer has ended

	broker  *broker
	conn    *sql.Conn // its own
	owner   int64
	stir    chan struct{} // tells the look-out that messages are coming
	mending atomic.Bool
}

func newConsumer(ctx context.Context, b *broker) (*consumer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it is only for people who look
	}
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return nil, brokers.Refusef("connect to mysql at %s: %w", b.addr, explain(err))
	}
	c := &consumer{Set: feed.NewSet[*source](), broker: b, conn: conn, stir: make(chan struct{}, 1)}
	r, err := conn.ExecContext(ctx, `INSERT INTO taskbench_consumer (name, until) VALUES (?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)`,
		fmt.Sprintf("pid %d on %s", os.Getpid(), host), lease.Microseconds())
	if err == nil {
		c.owner, err = r.LastInsertId()
	}
	if err != nil {
		discard(conn)
		return nil, fmt.Errorf("register a consumer: %w", judge(err))
	}
	return c, nil
}

// discard ends a connection that nobody is to use any more.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // what makes the pool drop it
	_ = conn.Close()
}

// abandon leaves it to others to find that the lease has run out.
func (c *consumer) abandon() { discard(c.conn) }

func (c *consumer) start() {
	c.broker.tasks.Go(c.keep)
	c.broker.tasks.Go(c.watch)
}

// add starts a source's claiming.
func (c *consumer) add(s *source) error {
	return c.Add(s, func() {
		c.broker.tasks.Go(s.claim)
		c.busy()
	})
}

// changed tells the sources of a queue, of all where it is "", that there may be something to claim.
func (c *consumer) changed(queue string) {
	for s := range c.All() {
		if queue == "" || slices.Contains(s.queues, queue) {
			s.Poke(true)
		}
	}
}

// keep renews the lease and sees to what is due, until the consumer ends.
func (c *consumer) keep() {
	defer discard(c.conn)
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	renewed := time.Now()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-c.Lost():
			return
		}
		began := time.Now()
		n, err := c.renew(ctx)
		switch {
		case err == nil:
			renewed = began
		case code(err) != 0 && time.Since(renewed) < lease: // the server lives and may think better of it while there is time
			n = news{next: renewEvery / 3}
		default:
			c.Lose(err)
			return
		}
		if (n.mend || n.ripe) && c.mending.CompareAndSwap(false, true) {
			c.broker.tasks.Go(func() { // a long clean-up must not hold up the renewing
				defer c.mending.Store(false)
				c.mend(n)
			})
		}
		again.Reset(n.next)
	}
}

// A news is what renewing tells.
type news struct {
	mend, ripe bool          // others' leases or messages have run out; something delayed is due
	next       time.Duration // when to ask again
}

// renew also finds out whether the consumer's row is still there.
func (c *consumer) renew(ctx context.Context) (news, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var alive bool
	var due sql.NullInt64
	n := news{next: renewEvery}
	_, err := c.conn.ExecContext(ctx, `UPDATE taskbench_consumer SET until = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE id = ?`, lease.Microseconds(), c.owner)
	if err == nil {
		err = c.conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM taskbench_consumer WHERE id = ?),
	EXISTS (SELECT 1 FROM taskbench_consumer WHERE until < UTC_TIMESTAMP(6))
	OR EXISTS (SELECT 1 FROM taskbench_message WHERE expires < UTC_TIMESTAMP(6) AND owner = 0),
	(SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), MIN(due)) FROM taskbench_delayed)`, c.owner).Scan(&alive, &n.mend, &due)
	}
	switch {
	case err != nil:
		return n, fmt.Errorf("renew the lease in mysql at %s: %w", c.broker.addr, judge(err))
	case !alive:
		return n, errLapsed
	}
	if due.Valid {
		n.ripe = due.Int64 <= 0
		n.next = max(min(n.next, time.Duration(due.Int64)*time.Microsecond), 50*time.Millisecond)
	}
	return n, nil
}

// giveUp returns all that is held, if the server can be told soon; if not, that is when the lease runs out.
func (c *consumer) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = c.broker.release(ctx, quitCall, c.owner)
}
