package sql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/board"
	"taskbench/worker/result/pickle"
)

const (
	patience = 10 * time.Second      // bounds every question to the server
	interval = 50 * time.Millisecond // between questions while somebody waits
	together = 200                   // ids in one question
)

// Backend implements result.Backend, Groups, Claimer and Cleaner.
type Backend struct {
	db      *sql.DB
	dialect dialect
	life    time.Duration // 0: for ever
	news    *board.Poller
	turn    chan struct{} // of writing, where only one may

	store, saveGroup string      // statements
	claimable        atomic.Bool // there is the table of claims

	closing sync.Once
	closed  chan struct{}
}

// Open connects, and makes the tables where they are absent.
func Open(ctx context.Context, url string, o result.Options) (*Backend, error) {
	d, source, err := locate(url)
	if err != nil {
		return nil, err
	}
	db, err := d.open(source)
	if err != nil { // it may quote the source
		return nil, fmt.Errorf("open results in %s: the URL has a part that the driver does not know", d.driver)
	}
	db.SetMaxIdleConns(16)
	db.SetMaxOpenConns(16) // servers allow few
	db.SetConnMaxIdleTime(time.Minute)
	if d.fit != nil {
		if d, err = d.fit(ctx, db, d); err != nil {
			_ = db.Close() // it was of no use
			return nil, fmt.Errorf("open results in %s: %w", d.driver, err)
		}
	}
	b := &Backend{db: db, dialect: d, life: o.Lifetime(), turn: make(chan struct{}, 1), closed: make(chan struct{})}
	b.store = d.storing()
	b.saveGroup = d.writing("celery_tasksetmeta", "taskset_id", "taskset_id_sequence", []string{"taskset_id", "result", "date_done"})
	for _, statement := range d.schema {
		if _, err := db.ExecContext(ctx, statement); err != nil && !b.made(ctx) {
			_ = db.Close() // it was of no use
			return nil, fmt.Errorf("make the tables of results: %w", b.explain(err))
		}
	}
	_ = b.makeClaimable(ctx) // not everybody who opens it may make tables, or claims anything: who does is told then
	b.news = board.Poll(interval, patience, b.ready)
	return b, nil
}

// made tells whether the tables are there, though making them failed: somebody else may have made them at the same
// time, or we may not be allowed to.
func (b *Backend) made(ctx context.Context) bool {
	for _, table := range []string{"celery_taskmeta", "celery_tasksetmeta"} {
		if _, err := b.db.ExecContext(ctx, "SELECT 1 FROM "+table+" WHERE 1 = 0"); err != nil {
			return false
		}
	}
	return true
}

// do runs f, as long as the backend is open.
func (b *Backend) do(ctx context.Context, f func(ctx context.Context) error) error {
	select {
	case <-b.closed:
		return result.ErrClosed
	default:
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f(bounded)
	select {
	case <-b.closed:
		return result.ErrClosed
	default:
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return b.explain(err)
}

func (b *Backend) explain(err error) error {
	if err == nil || b.dialect.explain == nil {
		return err
	}
	return b.dialect.explain(err)
}

// write is do for a statement that changes something.
func (b *Backend) write(ctx context.Context, statement string, values ...any) error {
	return b.do(ctx, func(ctx context.Context) error {
		if b.dialect.single {
			select {
			case b.turn <- struct{}{}:
				defer func() { <-b.turn }()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for try := 0; ; try++ {
			_, err := b.db.ExecContext(ctx, statement, values...)
			if err == nil || ctx.Err() != nil || b.dialect.again == nil || !b.dialect.again(err) {
				return err
			}
			select { // those that were in each other's way must not meet again
			case <-time.After(rand.N(time.Millisecond << min(try, 6))):
			case <-ctx.Done():
				return err
			}
		}
	})
}

// Store implements result.Backend.
func (b *Backend) Store(ctx context.Context, r result.Record) error {
	row, err := b.row(r)
	if err != nil {
		err = fmt.Errorf("%w: %w", result.ErrRefused, err) // it holds what no row can
	} else {
		err = b.write(ctx, b.store, row...)
	}
	if err != nil {
		return fmt.Errorf("store result of task %s in %s: %w", r.TaskID, b.dialect.driver, err)
	}
	b.news.Wake(r.TaskID)
	return nil
}

// Get implements result.Backend.
func (b *Backend) Get(ctx context.Context, id string) (r result.Record, err error) {
	query := "SELECT " + strings.Join(taskColumns[1:], ", ") + " FROM celery_taskmeta WHERE task_id = " + b.dialect.places(1)
	err = b.do(ctx, func(ctx context.Context) (err error) {
		r, err = read(id, b.db.QueryRowContext(ctx, query, id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return result.Record{TaskID: id, State: result.Pending}, nil
	}
	if err != nil {
		return result.Record{}, fmt.Errorf("get result of task %s from %s: %w", id, b.dialect.driver, err)
	}
	return r, nil
}

// Wait implements result.Backend.
func (b *Backend) Wait(ctx context.Context, id string) (result.Record, error) {
	news, leave := b.news.Join(id)
	defer leave()
	look := func(ctx context.Context) (result.Record, error) { return b.Get(ctx, id) }
	r, err := result.Await(ctx, look, news, b.closed)
	if err != nil {
		return result.Record{}, fmt.Errorf("wait for task %s: %w", id, err)
	}
	return r, nil
}

// ready finds which of the tasks are done.
func (b *Backend) ready(ctx context.Context, ids []string) (found []string, err error) {
	for len(ids) > 0 {
		n := min(together, len(ids))
		if found, err = b.readyAmong(ctx, ids[:n], found); err != nil {
			return found, err
		}
		ids = ids[n:]
	}
	return found, nil
}

func (b *Backend) readyAmong(ctx context.Context, ids, found []string) ([]string, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT task_id FROM celery_taskmeta WHERE status IN ('SUCCESS', 'FAILURE', 'REVOKED') AND task_id IN ("+
		b.list(len(ids))+")", anys(ids)...)
	if err != nil {
		return found, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err says too
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return found, err
		}
		found = append(found, id)
	}
	return found, rows.Err()
}

func (b *Backend) list(n int) string {
	places := make([]string, n)
	for i := range places {
		places[i] = b.dialect.places(i + 1)
	}
	return strings.Join(places, ", ")
}

func anys(ids []string) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}

// Forget implements result.Backend.
func (b *Backend) Forget(ctx context.Context, ids ...string) error {
	err := b.do(ctx, func(context.Context) error { return nil }) // also with nothing to forget
	for err == nil && len(ids) > 0 {
		n := min(together, len(ids))
		err = b.write(ctx, "DELETE FROM celery_taskmeta WHERE task_id IN ("+b.list(n)+")", anys(ids[:n])...)
		ids = ids[n:]
	}
	if err != nil {
		return fmt.Errorf("forget results in %s: %w", b.dialect.driver, err)
	}
	return nil
}

// SaveGroup implements result.Groups.
func (b *Backend) SaveGroup(ctx context.Context, id string, tuple json.RawMessage) error {
	err := message.Valid(tuple)
	var data []byte
	if err == nil {
		data, err = pickle.Marshal(string(tuple))
	}
	if err == nil {
		err = b.write(ctx, b.saveGroup, id, data, b.dialect.time(time.Now().UTC()))
	}
	if err != nil {
		return fmt.Errorf("save group %s in %s: %w", id, b.dialect.driver, err)
	}
	return nil
}

// Group implements result.Groups, for groups that SaveGroup saved.
func (b *Backend) Group(ctx context.Context, id string) (json.RawMessage, error) {
	var data []byte
	err := b.do(ctx, func(ctx context.Context) error {
		return b.db.QueryRowContext(ctx, "SELECT result FROM celery_tasksetmeta WHERE taskset_id = "+b.dialect.places(1), id).Scan(&data)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = result.ErrNoGroup
	}
	var v any
	if err == nil {
		v, err = pickle.Unmarshal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("get group %s from %s: %w", id, b.dialect.driver, err)
	}
	text, ok := v.(string)
	if !ok || message.Valid([]byte(text)) != nil {
		return nil, fmt.Errorf("get group %s from %s: %w", id, b.dialect.driver, result.ErrBroken)
	}
	return json.RawMessage(text), nil
}

// Cleanup implements result.Cleaner, for tasks, groups and claims that have lapsed.
func (b *Backend) Cleanup(ctx context.Context) error {
	if b.claimable.Load() {
		if err := b.write(ctx, "DELETE FROM taskbench_claims WHERE expires <= "+b.dialect.now); err != nil {
			return fmt.Errorf("clean up claims in %s: %w", b.dialect.driver, err)
		}
	}
	if b.life == 0 {
		return nil
	}
	before := b.dialect.time(time.Now().UTC().Add(-b.life))
	for _, table := range []string{"celery_taskmeta", "celery_tasksetmeta"} {
		if err := b.write(ctx, "DELETE FROM "+table+" WHERE date_done < "+b.dialect.places(1), before); err != nil {
			return fmt.Errorf("clean up results in %s: %w", b.dialect.driver, err)
		}
	}
	return nil
}

// Close implements result.Backend. Whoever waits gets result.ErrClosed.
func (b *Backend) Close() (err error) {
	b.closing.Do(func() {
		close(b.closed)
		b.news.Close()
		if err = b.db.Close(); err != nil {
			err = fmt.Errorf("close results in %s: %w", b.dialect.driver, err)
		}
	})
	return err
}
