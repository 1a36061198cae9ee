package mysql

import (
	"context"
	"database/sql"
	"fmt"

	"taskbench/brokers/feed"
)

// atOnce bounds what is looked after in one transaction, so that others get their turn.
const atOnce = 500

// mend gives back what lapsed consumers hold, deletes what has expired, and makes ready what is due. What goes wrong will
// go right, or be told, at another time.
func (c *consumer) mend(n news) {
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	if n.mend {
		lapsed, _ := c.broker.lapsed(ctx)
		for _, owner := range lapsed {
			if c.broker.release(ctx, buryCall, owner) == nil {
				c.changed("")
			}
		}
	}
	for n.mend {
		gone, err := c.broker.expire(ctx)
		n.mend = err == nil && gone == atOnce
	}
	for n.ripe {
		moved, err := c.broker.ripen(ctx)
		if err == nil && moved > 0 {
			c.changed("")
		}
		n.ripe = err == nil && moved == atOnce
	}
}

func (b *broker) lapsed(ctx context.Context) (ids []int64, err error) {
	err = b.with(ctx, func(conn *sql.Conn) (err error) {
		ids, err = numbers(ctx, conn, `SELECT id FROM taskbench_consumer WHERE until < UTC_TIMESTAMP(6)`)
		return err
	})
	return ids, err
}

// expire deletes messages that have expired, and tells how many.
func (b *broker) expire(ctx context.Context) (gone int64, err error) {
	err = b.with(ctx, func(conn *sql.Conn) error {
		r, err := conn.ExecContext(ctx, `DELETE FROM taskbench_message WHERE expires < UTC_TIMESTAMP(6) AND owner = 0 LIMIT ?`, atOnce)
		if err == nil {
			gone, err = r.RowsAffected()
		}
		return err
	})
	return gone, err
}

// The ways to remove a consumer: one that has lapsed, if it has not been renewed meanwhile, and one that is closed.
const (
	buryCall = `START TRANSACTION; DELETE FROM taskbench_consumer WHERE id = ? AND until < UTC_TIMESTAMP(6)`
	quitCall = `START TRANSACTION; DELETE FROM taskbench_consumer WHERE id = ?`
)

// release removes a consumer and gives back what it holds. A claim that is under way locks its consumer's row: what it
// takes is given back too.
func (b *broker) release(ctx context.Context, remove string, owner int64) error {
	err := b.with(ctx, func(conn *sql.Conn) error {
		return transact(ctx, conn, func() error {
			r, err := conn.ExecContext(ctx, remove, owner)
			var n int64
			if err == nil {
				n, err = r.RowsAffected()
			}
			if err == nil && n > 0 {
				_, err = conn.ExecContext(ctx, `UPDATE taskbench_message SET owner = 0 WHERE owner = ?`, owner)
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("give back what consumer %d holds: %w", owner, err)
	}
	return nil
}

// ripen makes ready what is due, what was due first ahead of the rest, and tells how many messages that were.
func (b *broker) ripen(ctx context.Context) (moved int, err error) {
	err = b.with(ctx, func(conn *sql.Conn) error {
		return transact(ctx, conn, func() error {
			ids, err := numbers(ctx, conn, `START TRANSACTION; SELECT id FROM taskbench_delayed WHERE due <= UTC_TIMESTAMP(6) ORDER BY due, id LIMIT ? FOR UPDATE SKIP LOCKED`, atOnce)
			moved = len(ids)
			if err != nil || moved == 0 {
				return err
			}
			values := args(0, ids)[1:]
			_, err = conn.ExecContext(ctx, `INSERT INTO taskbench_message (queue, urgency, envelope, expires)
SELECT queue, urgency, envelope, expires FROM taskbench_delayed WHERE id IN `+list(moved)+` ORDER BY due, id`, values...)
			if err == nil {
				_, err = conn.ExecContext(ctx, `DELETE FROM taskbench_delayed WHERE id IN `+list(moved), values...)
			}
			return err
		})
	})
	return moved, err
}

// numbers reads the one column that a statement gives.
func numbers(ctx context.Context, conn *sql.Conn, query string, values ...any) (ns []int64, err error) {
	rows, err := conn.QueryContext(ctx, query, values...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err says too
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var n int64
			if err := rows.Scan(&n); err != nil {
				return nil, err
			}
			ns = append(ns, n)
		}
	}
	return ns, rows.Err()
}
