package table

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A consumer is what a broker's deliveries belong to. It has a connection of its own, over which it looks after what is
// delayed, and which tells when the link is dead.
type consumer struct {
	*feed.Set[*source] // lost when the consumer has ended

	broker *Broker
	conn   *sql.Conn // its own
}

func newConsumer(ctx context.Context, b *Broker) (*consumer, error) {
	conn, err := b.base.DB.Conn(ctx)
	if err != nil {
		return nil, brokers.Refuse(b.base.Judge(err))
	}
	return &consumer{Set: feed.NewSet[*source](), broker: b, conn: conn}, nil
}

func (c *consumer) start() { c.broker.tasks.Go(c.keep) }

// discard ends the connection, which nobody is to use any more.
func (c *consumer) discard() {
	_ = c.conn.Raw(func(any) error { return driver.ErrBadConn }) // what makes the pool drop it
	_ = c.conn.Close()
}

// changed tells the sources of queues, all where none is named, that there may be something to claim.
func (c *consumer) changed(queues ...int64) {
	for s := range c.All() {
		if queues == nil || slices.ContainsFunc(s.ids, func(id int64) bool { return slices.Contains(queues, id) }) {
			s.Poke(true)
		}
	}
}

// held are the messages that its sources hold.
func (c *consumer) held() (ids []int64) {
	for s := range c.All() {
		ids = append(ids, s.Held()...)
	}
	return ids
}

const (
	lookEvery = time.Second     // for what is due, unless it is known when that is
	grace     = 5 * time.Second // for how long the database may refuse what it is asked
)

// keep sees to what is due, until the consumer ends.
func (c *consumer) keep() {
	defer c.discard()
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	well := time.Now()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-c.Lost():
			return
		}
		began := time.Now()
		next, err := c.tend(ctx)
		switch {
		case err == nil:
			well = began
		case time.Since(well) > grace || c.dead(ctx):
			c.Lose(fmt.Errorf("look for what is due in %s: %w", c.broker.base.Name, c.broker.base.Judge(err)))
			return
		}
		again.Reset(next)
	}
}

// dead tells whether the link is, rather than that the database refuses something for the time being.
func (c *consumer) dead(ctx context.Context) bool {
	ctx, cancel := bounded(ctx, 0)
	defer cancel()
	return c.conn.PingContext(ctx) != nil
}

// tend makes ready what is due, and tells when to come again.
func (c *consumer) tend(ctx context.Context) (next time.Duration, err error) {
	asking, cancel := bounded(ctx, 0)
	defer cancel()
	var due sql.NullInt64
	err = c.conn.QueryRowContext(asking, `SELECT MIN(due) - `+c.broker.base.Dialect.Clock+` FROM taskbench_kombu_delayed`).Scan(&due)
	if err != nil || !due.Valid {
		return lookEvery, err
	}
	if due.Int64 > 0 {
		return max(min(lookEvery, time.Duration(due.Int64)*time.Millisecond), 10*time.Millisecond), nil
	}
	for moved := atOnce; moved == atOnce && ctx.Err() == nil; {
		if moved, err = c.broker.ripen(ctx); err != nil {
			if brokers.Definite(err) { // it will go right, or be told, at another time
				err = nil
			}
			return lookEvery, err
		}
	}
	return 10 * time.Millisecond, nil
}

// ripen makes ready what is due, what was due first ahead of the rest, and tells how many messages that were.
func (b *Broker) ripen(ctx context.Context) (moved int, err error) {
	d := b.base.Dialect
	err = b.transact(ctx, func(tx *sql.Tx) error {
		ids, err := numbers(ctx, tx, `SELECT id FROM taskbench_kombu_delayed WHERE due <= `+d.Clock+` ORDER BY due, id LIMIT ?`+d.Lock, atOnce)
		moved = len(ids)
		if err != nil || moved == 0 {
			return err
		}
		columns, row := "visible, payload, version, queue_id", "1, payload, 1, queue_id"
		if d.MessageID != "" {
			columns, row = "id, "+columns, d.MessageID+", "+row
		}
		// The limit keeps the inner order in force.
		_, err = tx.ExecContext(ctx, `INSERT INTO kombu_message (`+columns+`) SELECT `+row+` FROM (
	SELECT payload, queue_id FROM taskbench_kombu_delayed WHERE id IN `+places(moved)+` ORDER BY due, id LIMIT ?) AS first`, append(values(ids), moved)...)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM taskbench_kombu_delayed WHERE id IN `+places(moved), values(ids)...)
		}
		return err
	})
	if err == nil && moved > 0 {
		b.changed()
	}
	return moved, err
}

// numbers reads the one column that a query gives.
func numbers(ctx context.Context, tx *sql.Tx, query string, values ...any) (ns []int64, err error) {
	rows, err := tx.QueryContext(ctx, query, values...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err says too
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		ns = append(ns, n)
	}
	return ns, rows.Err()
}
