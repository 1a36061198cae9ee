package table

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"taskbench/worker/beat"
)

// A Lock is a beat.Lock of two tables.
type Lock struct {
	db     *DB
	name   string
	holder string
	clock  beat.Clock

	mu    sync.Mutex
	seen  lease         // as somebody else held it
	since time.Duration // since when it has not moved, by the steady clock
}

// A lease is the row of a lock.
type lease struct {
	holder        string // "": nobody
	tenure, moved int64
}

// NewLock makes the lock of all beats that give the same name in a database, and its tables where they are not there.
func NewLock(ctx context.Context, d *DB, name string) (*Lock, error) {
	if err := d.create(ctx, locks); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	return &Lock{db: d, name: name, holder: fmt.Sprintf("%d@%s/%s", os.Getpid(), host, rand.Text()), clock: beat.SystemClock}, nil
}

// Acquire implements beat.Lock.
func (l *Lock) Acquire(ctx context.Context, length time.Duration) (int64, error) {
	_, steady := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	var tenure int64
	err := l.db.within(ctx, func(tx *sql.Tx) error {
		var now lease
		row := tx.QueryRowContext(ctx, l.db.q("SELECT holder, tenure, moved FROM taskbench_beat_lease WHERE name = ?"), l.name)
		err := row.Scan(&now.holder, &now.tenure, &now.moved)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			tenure = 1
			_, err := tx.ExecContext(ctx, l.db.q("INSERT INTO taskbench_beat_lease (name, holder, tenure, moved) VALUES (?, ?, 1, 0)"), l.name, l.holder)
			return err // also where somebody else was faster
		case err != nil:
			return err
		}
		tenure = now.tenure
		if now.holder == l.holder { // whatever has moved since: that was this beat, which writes marks meanwhile
			done, err := tx.ExecContext(ctx, l.db.q("UPDATE taskbench_beat_lease SET moved = moved + 1 WHERE name = ? AND holder = ? AND tenure = ?"),
				l.name, l.holder, tenure)
			return one(done, err, beat.HeldError{By: "another beat, which was faster"})
		}
		if now != l.seen {
			l.seen, l.since = now, steady
		}
		if now.holder != "" && steady-l.since <= length {
			return beat.HeldError{By: now.holder[:max(0, strings.LastIndexByte(now.holder, '/'))]}
		}
		tenure++
		done, err := tx.ExecContext(ctx, l.db.q(`UPDATE taskbench_beat_lease SET holder = ?, tenure = ?, moved = moved + 1
			WHERE name = ? AND holder = ? AND tenure = ? AND moved = ?`), l.holder, tenure, l.name, now.holder, now.tenure, now.moved)
		return one(done, err, beat.HeldError{By: "another beat, which was faster"})
	})
	var held beat.HeldError
	switch {
	case err == nil:
		return tenure, nil
	case errors.As(err, &held):
		return 0, held
	}
	return 0, fmt.Errorf("take the lock of beat: %w", err)
}

// one is otherwise where a statement did not touch a row.
func one(done sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return otherwise
	}
	return err
}

// Release implements beat.Lock.
func (l *Lock) Release(ctx context.Context) error {
	_, err := l.db.ExecContext(ctx, l.db.q("UPDATE taskbench_beat_lease SET holder = '', moved = moved + 1 WHERE name = ? AND holder = ?"), l.name, l.holder)
	if err != nil {
		return fmt.Errorf("give up the lock of beat: %w", err)
	}
	return nil
}

// Recall implements beat.Lock.
func (l *Lock) Recall(ctx context.Context) (marks []beat.Mark, err error) {
	rows, err := l.db.QueryContext(ctx, l.db.q("SELECT name, schedule, last, claim, runs, done FROM taskbench_beat_mark WHERE lease = ?"), l.name)
	if err != nil {
		return nil, fmt.Errorf("read the marks of beat: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m beat.Mark
		var last, claim sql.NullInt64
		if err := rows.Scan(&m.Name, &m.Schedule, &last, &claim, &m.Runs, &m.Done); err != nil {
			return nil, fmt.Errorf("read the marks of beat: %w", err)
		}
		m.Last, m.Claim = moment(last), moment(claim)
		marks = append(marks, m)
	}
	return marks, rows.Err()
}

// Write implements beat.Lock.
func (l *Lock) Write(ctx context.Context, tenure int64, marks []beat.Mark) error {
	err := l.db.within(ctx, func(tx *sql.Tx) error {
		// First, so that whoever takes the lease waits for this transaction or makes it fail.
		done, err := tx.ExecContext(ctx, l.db.q("UPDATE taskbench_beat_lease SET moved = moved + 1 WHERE name = ? AND holder = ? AND tenure = ?"), l.name, l.holder, tenure)
		if err := one(done, err, beat.ErrLost); err != nil {
			return err
		}
		for _, m := range marks {
			if _, err := tx.ExecContext(ctx, l.db.q("DELETE FROM taskbench_beat_mark WHERE lease = ? AND name = ?"), l.name, m.Name); err != nil {
				return err
			}
			if m.Forgotten() {
				continue
			}
			_, err := tx.ExecContext(ctx, l.db.q("INSERT INTO taskbench_beat_mark (lease, name, schedule, last, claim, runs, done) VALUES (?, ?, ?, ?, ?, ?, ?)"),
				l.name, m.Name, m.Schedule, nanoseconds(m.Last), nanoseconds(m.Claim), m.Runs, m.Done)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, beat.ErrLost) {
		err = fmt.Errorf("write the marks of beat: %w", err)
	}
	return err
}

// nanoseconds is a time since 1970 that loses nothing, and NULL for zero.
func nanoseconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}
