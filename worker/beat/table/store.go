package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/worker/beat"
)

// A Store is a beat.Store of django-celery-beat's tables.
type Store struct {
	db *DB

	mu     sync.Mutex
	update string    // last_update, as it was when the rows were read
	read   time.Time // when that was
}

// stale is how long the rows are believed without a sign of a change.
const stale = 5 * time.Minute

// NewStore makes the store of a database, which stays its owner's to close.
func NewStore(d *DB) *Store { return &Store{db: d} }

// Load implements beat.Store.
func (s *Store) Load(ctx context.Context) ([]beat.Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last any
	err := s.db.QueryRowContext(ctx, "SELECT last_update FROM django_celery_beat_periodictasks WHERE ident = 1").Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, false, fmt.Errorf("read the schedule's last_update: %w", err)
	}
	update := fmt.Sprint(last)
	if !s.read.IsZero() && update == s.update && time.Since(s.read) < stale {
		return nil, false, nil
	}
	entries, wrong, err := s.rows(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("read the schedule: %w", err)
	}
	s.update, s.read = update, time.Now()
	if len(wrong) > 0 {
		return entries, true, beat.EntryError{Err: errors.Join(wrong...)}
	}
	return entries, true, nil
}

const query = `SELECT p.name, p.task, p.args, p.kwargs, p.queue, p.exchange, p.routing_key, p.headers, p.priority, p.expires,
	p.expire_seconds, p.one_off, p.start_time, p.solar_id, i.every, i.period, c.minute, c.hour, c.day_of_month, c.month_of_year,
	c.day_of_week, c.timezone, k.clocked_time
	FROM django_celery_beat_periodictask p
	LEFT JOIN django_celery_beat_intervalschedule i ON i.id = p.interval_id
	LEFT JOIN django_celery_beat_crontabschedule c ON c.id = p.crontab_id
	LEFT JOIN django_celery_beat_clockedschedule k ON k.id = p.clocked_id
	WHERE p.enabled = ? ORDER BY p.name`

func (s *Store) rows(ctx context.Context) (entries []beat.Entry, wrong []error, err error) {
	rows, err := s.db.QueryContext(ctx, s.db.q(query), true)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(r.columns()...); err != nil {
			return nil, nil, err
		}
		e, err := r.entry()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("periodic task %q: %w", r.name, err))
			continue
		}
		entries = append(entries, e)
	}
	return entries, wrong, rows.Err()
}

// Recall implements beat.Memory.
func (s *Store) Recall(ctx context.Context) (marks []beat.Mark, err error) {
	rows, err := s.db.QueryContext(ctx, s.db.q("SELECT name, last_run_at, total_run_count FROM django_celery_beat_periodictask WHERE enabled = ?"), true)
	if err != nil {
		return nil, fmt.Errorf("read when tasks ran last: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m beat.Mark
		var last any
		if err = rows.Scan(&m.Name, &last, &m.Runs); err == nil {
			m.Last, err = readTime(last)
		}
		if err != nil {
			return nil, fmt.Errorf("read when tasks ran last: %w", err)
		}
		marks = append(marks, m)
	}
	return marks, rows.Err()
}

// Write implements beat.Memory. Marks of ticks that are being sent have no column here, and are left to the lock; so
// are those of entries that are gone.
func (s *Store) Write(ctx context.Context, marks []beat.Mark) error {
	err := s.db.within(ctx, func(tx *sql.Tx) error {
		over := false
		for _, m := range marks {
			if m.Forgotten() || !m.Claim.IsZero() {
				continue
			}
			set := "last_run_at = ?, total_run_count = ?"
			args := []any{s.db.when(m.Last), m.Runs}
			if m.Done {
				over = true
				set += ", enabled = ?"
				args = append(args, false)
			}
			update := "UPDATE django_celery_beat_periodictask SET " + set + " WHERE name = ?"
			if _, err := tx.ExecContext(ctx, s.db.q(update), append(args, m.Name)...); err != nil {
				return err
			}
		}
		if !over {
			return nil
		}
		_, err := tx.ExecContext(ctx, s.db.q("UPDATE django_celery_beat_periodictasks SET last_update = ? WHERE ident = 1"), s.db.when(time.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("write when tasks ran last: %w", err)
	}
	return nil
}
