package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// The statements of the writer. Each settles only what is still the consumer's own.
const (
	insertSQL  = `INSERT INTO message (queue, priority, envelope, expires) VALUES (?, ?, ?, ?)`
	ackSQL     = `DELETE FROM message WHERE id = ? AND owner = ?`
	requeueSQL = `UPDATE message SET owner = NULL WHERE id = ? AND owner = ?`
	unseenSQL  = `UPDATE message SET owner = NULL, handed = handed - 1 WHERE id = ? AND owner = ?`
	rejectSQL  = `UPDATE message SET owner = NULL, handed = 0, queue = ?3 WHERE id = ?1 AND owner = ?2`
	claimSQL   = `UPDATE message SET owner = ?1, handed = handed + 1 WHERE id IN (
	SELECT id FROM message WHERE queue = ?2 AND owner IS NULL AND (expires IS NULL OR expires > ?4)
	ORDER BY priority DESC, id LIMIT ?3) RETURNING id, priority, handed - 1, envelope`
)

type statements struct {
	conn                                          *sql.Conn
	insert, ack, requeue, unseen, reject, claimed *sql.Stmt
}

func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	s := &statements{conn: conn}
	for stmt, text := range map[**sql.Stmt]string{
		&s.insert: insertSQL, &s.ack: ackSQL, &s.requeue: requeueSQL, &s.unseen: unseenSQL, &s.reject: rejectSQL,
		&s.claimed: claimSQL,
	} {
		var err error
		//nolint:sqlclosecheck // they live as long as the database handle, which closes them
		if *stmt, err = conn.PrepareContext(ctx, text); err != nil {
			return nil, fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	return s, nil
}

func (s *statements) publish(r record) error {
	_, err := s.insert.ExecContext(context.Background(), r.queue, r.priority, r.envelope, r.expires)
	return err
}

// settle reports whether the message was still the owner's.
func (s *statements) settle(owner, id int64, queue string, o feed.Outcome) (bool, error) {
	ctx := context.Background()
	var r sql.Result
	var err error
	switch o {
	case feed.Ack:
		r, err = s.ack.ExecContext(ctx, id, owner)
	case feed.Requeue:
		r, err = s.requeue.ExecContext(ctx, id, owner)
	case feed.Reject:
		r, err = s.reject.ExecContext(ctx, id, owner, brokers.DeadLetterQueue(queue))
	default:
		r, err = s.unseen.ExecContext(ctx, id, owner)
	}
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// claim takes at most limit messages of a queue for the owner, the most urgent and oldest first.
func (s *statements) claim(owner int64, queue string, limit int) (claimed []feed.Claimed, err error) {
	rows, err := s.claimed.QueryContext(context.Background(), owner, queue, limit, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	priorities := map[int64]int{}
	for rows.Next() {
		c := feed.Claimed{Queue: queue}
		var priority int
		if err := rows.Scan(&c.ID, &priority, &c.Handed, &c.Envelope); err != nil {
			return nil, err
		}
		claimed, priorities[c.ID] = append(claimed, c), priority
	}
	// RETURNING promises no order.
	slices.SortFunc(claimed, func(a, b feed.Claimed) int {
		return cmp.Or(cmp.Compare(priorities[b.ID], priorities[a.ID]), cmp.Compare(a.ID, b.ID))
	})
	return claimed, rows.Err()
}

func (s *statements) exec(query string, args ...any) (sql.Result, error) {
	return s.conn.ExecContext(context.Background(), query, args...)
}
