package sqlite

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers"
)

// ripenAtOnce bounds the messages that become ready in one transaction, so that other processes get their turn.
const ripenAtOnce = 1000

// Delay implements brokers.Delayer. Whoever consumes from the file, whatever the queue, moves the message when it is due.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if !until.After(time.Now()) {
		return b.Publish(ctx, m)
	}
	r, err := newRecord(m)
	if err == nil {
		err = b.out.do(ctx, func(s *statements) error {
			_, err := s.exec(`INSERT INTO delayed (due, queue, priority, envelope, expires) VALUES (?, ?, ?, ?, ?)`,
				until.UnixMilli(), r.queue, r.priority, r.envelope, r.expires)
			return err
		}, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// ripen makes ready what is due at a time in milliseconds, what was due first ahead of the rest, and tells how many
// messages that were.
func ripen(s *statements, now int64) (int64, error) {
	const first = `SELECT id FROM delayed WHERE due <= ?1 ORDER BY due, id LIMIT ?2`
	_, err := s.exec(`INSERT INTO message (queue, priority, envelope, expires)
		SELECT queue, priority, envelope, expires FROM delayed WHERE id IN (`+first+`) ORDER BY due, id`, now, ripenAtOnce)
	if err != nil {
		return 0, err
	}
	r, err := s.exec(`DELETE FROM delayed WHERE id IN (`+first+`)`, now, ripenAtOnce)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
