package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"taskbench/harness"
	"taskbench/worker/beat"
	"taskbench/worker/beat/file"
	"taskbench/worker/beat/redis"
	"taskbench/worker/beat/table"
)

// A beatSite is what a beat keeps things in.
type beatSite struct {
	store   beat.Store
	lock    beat.Lock // nil: none
	closers []io.Closer
}

// close closes in the order opposite to that of opening.
func (s *beatSite) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	return errors.Join(errs...)
}

// open opens the schedule and the lock.
func (f *beatFlags) open(ctx context.Context, a *app) (site *beatSite, err error) {
	site = &beatSite{}
	defer func() {
		if err != nil {
			_ = site.close() // the first error says more
		}
	}()
	var db *table.DB
	if inDatabase(f.schedule) {
		if db, err = table.Open(ctx, f.schedule); err != nil {
			return site, harness.EnvironmentError{Err: err}
		}
		site.closers = append(site.closers, db)
		site.store = table.NewStore(db)
	} else {
		store, err := file.Open(f.schedule, f.statePath(), f.zone, f.cfg.Log)
		if err != nil {
			return site, harness.EnvironmentError{Err: err}
		}
		site.closers = append(site.closers, store)
		site.store = store
	}
	site.lock, err = f.openLock(ctx, db, site)
	return site, err
}

func (f *beatFlags) statePath() string {
	if f.state == "" {
		return f.schedule + ".state"
	}
	return f.state
}

// openLock opens the lock; db is the schedule's database, if it is in one.
func (f *beatFlags) openLock(ctx context.Context, db *table.DB, site *beatSite) (beat.Lock, error) {
	switch at := f.lock; {
	case at == "none" || at == "" && db == nil:
		return nil, nil
	case !inDatabase(at) && at != "":
		return nil, inputError(fmt.Errorf("--lock %s: want the URL of a Redis server or of a database, or none", at))
	case at == "" || at == f.schedule:
	default:
		if d, err := driverOf(at); err == nil && d.Name == "redis" {
			l, err := redis.Open(at, f.lockName)
			if err != nil {
				return nil, inputError(err)
			}
			site.closers = append(site.closers, l)
			return l, nil
		}
		var err error
		if db, err = table.Open(ctx, at); err != nil {
			return nil, harness.EnvironmentError{Err: fmt.Errorf("--lock: %w", err)}
		}
		site.closers = append(site.closers, db)
	}
	l, err := table.NewLock(ctx, db, f.lockName)
	if err != nil {
		return nil, harness.EnvironmentError{Err: err}
	}
	return l, nil
}

// create makes the tables of the schedule.
func (f *beatFlags) create(ctx context.Context) error {
	if !inDatabase(f.schedule) {
		return inputError(errors.New("--create-tables: the schedule is a file, not a database"))
	}
	db, err := table.Open(ctx, f.schedule)
	if err == nil {
		err = errors.Join(table.Create(ctx, db), db.Close())
	}
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	return nil
}

// known reads the entries and their marks, beside a beat that may be running.
func (f *beatFlags) known(ctx context.Context) ([]beat.Entry, map[string]beat.Mark, error) {
	site := &beatSite{}
	defer site.close()
	var entries []beat.Entry
	var past []beat.Mark
	var db *table.DB
	var err error
	if inDatabase(f.schedule) {
		if db, err = table.Open(ctx, f.schedule); err != nil {
			return nil, nil, harness.EnvironmentError{Err: err}
		}
		site.closers = append(site.closers, db)
		store := table.NewStore(db)
		if entries, _, err = store.Load(ctx); err == nil {
			past, err = store.Recall(ctx)
		}
	} else {
		if entries, err = file.Read(f.schedule, f.zone); err == nil {
			past, err = file.Recall(f.statePath())
		}
	}
	if wrong := mistakesOf(err); len(wrong) > 0 {
		return nil, nil, inputError(joined(wrong))
	}
	if err != nil {
		return nil, nil, harness.EnvironmentError{Err: err}
	}
	marks := map[string]beat.Mark{}
	for _, m := range past {
		marks[m.Name] = m
	}
	if f.lock == "" || f.lock == "none" {
		return entries, marks, nil
	}
	lock, err := f.openLock(ctx, db, site)
	if err != nil {
		return nil, nil, err
	}
	if past, err = lock.Recall(ctx); err != nil {
		return nil, nil, harness.EnvironmentError{Err: err}
	}
	for _, m := range past {
		marks[m.Name] = m
	}
	return entries, marks, nil
}

// mistakesOf takes the mistakes of a schedule apart; none where the error is of another kind.
func mistakesOf(err error) []error {
	var problems file.Problems
	var rows beat.EntryError
	switch {
	case errors.As(err, &problems):
		var all []error
		for _, p := range problems {
			all = append(all, errors.New(p.String()))
		}
		return all
	case errors.As(err, &rows):
		return flatten(rows.Err)
	}
	return nil
}
