package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	lib "modernc.org/sqlite/lib"

	"taskbench/brokers"
)

// A job is one thing to be done in the next transaction.
type job struct {
	run  func(s *statements) error
	done func(err error) // told once, after the commit or instead of it; must not block
	gone atomic.Bool     // set by whoever decides first: the writer that carries it out, or the caller that gave up
}

// mostJobs bounds one transaction, so that other processes get their turn.
const mostJobs = 512

// A writer carries out jobs, as many in one transaction as there are at the time.
type writer struct {
	file     string
	conn     *sql.Conn
	patience time.Duration // with a lock that another process holds

	mu     sync.Mutex
	jobs   []*job
	closed bool
	ready  chan struct{}
	ended  chan struct{}
	locked atomic.Pointer[error] // why the writer is waiting, while it is
}

func newWriter(ctx context.Context, db *sql.DB, file string) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// The writer waits for locks by itself: SQLite's own way sleeps too long to get its turn among busy processes.
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s, err := prepare(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w := &writer{file: file, conn: conn, patience: 5 * time.Second, ready: make(chan struct{}, 1), ended: make(chan struct{})}
	go w.loop(s)
	return w, nil
}

// add queues a job.
func (w *writer) add(j *job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return brokers.ErrClosed
	}
	w.jobs = append(w.jobs, j)
	select {
	case w.ready <- struct{}{}:
	default:
	}
	return nil
}

// do queues a job and waits for its commit. When ctx ends while the job has not been begun, it never will be, and the
// error is Definite; afterwards the outcome is unknown. Then, if after is not nil, is told what became of the job,
// at any rate and exactly once, before do returns or later.
func (w *writer) do(ctx context.Context, run func(s *statements) error, after func(error)) error {
	if err := ctx.Err(); err != nil {
		if after != nil {
			after(err)
		}
		return brokers.Refuse(err)
	}
	done := make(chan error, 1)
	j := &job{run: run, done: func(err error) {
		if after != nil {
			after(err)
		}
		done <- err
	}}
	if err := w.add(j); err != nil {
		j.done(err)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if !j.gone.CompareAndSwap(false, true) {
		return fmt.Errorf("wait for the commit: %w", ctx.Err())
	}
	err := ctx.Err()
	if why := w.locked.Load(); why != nil {
		err = fmt.Errorf("%w, while %w", err, *why)
	}
	j.done(err)
	return brokers.Refuse(err)
}

// close refuses what is asked for from now on, finishes what was asked for, and ends.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	select {
	case w.ready <- struct{}{}:
	default:
	}
	w.mu.Unlock()
	<-w.ended
	return w.conn.Close()
}

func (w *writer) loop(s *statements) {
	defer close(w.ended)
	for range w.ready {
		for {
			w.mu.Lock()
			n, closed := len(w.jobs), w.closed
			w.mu.Unlock()
			if n == 0 && closed {
				return
			}
			if n == 0 {
				break
			}
			w.commit(s)
		}
	}
}

// take removes the jobs for one transaction that nobody has given up.
func (w *writer) take() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.jobs), mostJobs)
	jobs := make([]*job, 0, n)
	for _, j := range w.jobs[:n] {
		if j.gone.CompareAndSwap(false, true) {
			jobs = append(jobs, j)
		}
	}
	w.jobs = append(w.jobs[:0], w.jobs[n:]...)
	return jobs
}

// commit carries out the waiting jobs in one transaction, and tells each what became of it.
func (w *writer) commit(s *statements) {
	runtime.Gosched() // those whom the last commit woke are about to ask for the next thing: let them be part of this
	err := w.begin()
	jobs := w.take() // only now: while the lock was waited for, callers could still give up
	if err == nil {
		err = w.transact(s, jobs)
	}
	for _, j := range jobs {
		j.done(err)
	}
}

func (w *writer) transact(s *statements, jobs []*job) error {
	ctx := context.Background() // a transaction is nobody's in particular
	var err error
	for _, j := range jobs {
		if err = j.run(s); err != nil {
			break
		}
	}
	definite := true
	if err == nil {
		_, err = w.conn.ExecContext(ctx, "COMMIT")
		definite = code(err) == lib.SQLITE_FULL || busy(err) // there was no room for the commit, or it was not tried
	}
	if err == nil {
		return nil
	}
	_, _ = w.conn.ExecContext(ctx, "ROLLBACK") // SQLite may have rolled back by itself, and then says that there is nothing to
	err = fmt.Errorf("commit: %w", explain(err, w.file))
	if definite {
		return brokers.Refuse(err)
	}
	return err
}

// begin starts a transaction. It waits for other processes' to end, and loses patience after a while.
func (w *writer) begin() error {
	began := time.Now()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 200*time.Microsecond) {
		_, err := w.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
		if err == nil {
			w.locked.Store(nil)
			return nil
		}
		err = explain(err, w.file)
		if !busy(err) || time.Since(began) > w.patience {
			w.locked.Store(nil)
			return brokers.Refusef("begin transaction: %w", err)
		}
		if w.locked.Load() == nil {
			w.locked.Store(&err)
		}
		time.Sleep(pause)
	}
}
