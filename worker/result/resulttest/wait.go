package resulttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/worker/result"
)

func waitClauses() []Clause {
	return []Clause{
		{Name: "wait-wakes", Why: "a client wants a result when it is there", Check: wakes},
		{
			Name: "wait-finds", Why: "a result may be there before anybody waits for it",
			Check: func(ctx context.Context, e *Env) error {
				id := e.id("task")
				if err := e.Backend.Store(ctx, failure(id, "x")); err != nil {
					return err
				}
				r, err := e.Backend.Wait(ctx, id)
				if err == nil && (r.State != result.Failure || r.Exception == nil || r.TaskID != id) {
					err = fmt.Errorf("waited for a failure and got %+v", r)
				}
				return err
			},
		},
		{Name: "wait-for-the-end", Why: "a task that starts or tries again is not done", Check: waitsOn},
		{Name: "wait-many", Why: "a client waits for many tasks, and several for one", Check: many},
		{Name: "cancelled", Why: "a caller that gives up must not be held", Check: cancelled},
	}
}

// A waiting is a Wait under way.
type waiting struct {
	result.Record
	err error
	at  time.Time
}

func wait(ctx context.Context, b result.Backend, id string) <-chan waiting {
	c := make(chan waiting, 1)
	go func() {
		r, err := b.Wait(ctx, id)
		c <- waiting{r, err, time.Now()}
	}()
	return c
}

func over(c <-chan waiting) (waiting, error) {
	select {
	case w := <-c:
		return w, w.err
	case <-time.After(soon):
		return waiting{}, fmt.Errorf("Wait has not returned within %v", soon)
	}
}

// still is an error when the Wait has ended.
func still(c <-chan waiting) error {
	select {
	case w := <-c:
		return fmt.Errorf("Wait returned %+v too early (%w)", w.Record, orNone(w.err))
	case <-time.After(quiet):
		return nil
	}
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// prompt is how long after a Store its waiter may wake, in the median.
const prompt = 100 * time.Millisecond

func wakes(ctx context.Context, e *Env) error {
	storer, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	var lags []time.Duration
	for i := range 9 {
		id := e.id(fmt.Sprint(i))
		c := wait(ctx, e.Backend, id)
		select {
		case w := <-c:
			return fmt.Errorf("Wait returned %+v before anything was stored (%w)", w.Record, orNone(w.err))
		case <-time.After(30 * time.Millisecond): // it is waiting by now, mostly
		}
		if err := storer.Store(ctx, success(id, fmt.Sprint(i))); err != nil {
			return err
		}
		stored := time.Now()
		w, err := over(c)
		if err != nil {
			return err
		}
		if w.State != result.Success || string(w.Value) != fmt.Sprint(i) {
			return fmt.Errorf("waited for %d and got %+v", i, w.Record)
		}
		lags = append(lags, w.at.Sub(stored))
	}
	slices.Sort(lags)
	if lag := lags[len(lags)/2]; lag > prompt {
		return fmt.Errorf("woke %v after the result was stored, in the median of %v", lag, lags)
	}
	return nil
}

func waitsOn(ctx context.Context, e *Env) error {
	id := e.id("task")
	c := wait(ctx, e.Backend, id)
	if err := e.Backend.Store(ctx, result.Record{TaskID: id, State: result.Started, Value: []byte("{}")}); err != nil {
		return err
	}
	retry := failure(id, "not yet")
	retry.State = result.Retry
	if err := e.Backend.Store(ctx, retry); err != nil {
		return err
	}
	if err := still(c); err != nil {
		return err
	}
	if err := e.Backend.Store(ctx, result.Record{TaskID: id, State: result.Revoked, Exception: result.NewException("celery.exceptions", "TaskRevokedError", "revoked")}); err != nil {
		return err
	}
	w, err := over(c)
	if err == nil && w.State != result.Revoked {
		err = fmt.Errorf("got %s", w.State)
	}
	return err
}

func many(ctx context.Context, e *Env) error {
	const tasks, each = 100, 3
	base := e.id("task")
	var all []<-chan waiting
	for i := range tasks * each {
		all = append(all, wait(ctx, e.Backend, fmt.Sprint(base, i/each)))
	}
	for i := range tasks {
		if err := e.Backend.Store(ctx, success(fmt.Sprint(base, i), fmt.Sprint(i))); err != nil {
			return err
		}
	}
	for i, c := range all {
		w, err := over(c)
		if err != nil {
			return err
		}
		if string(w.Value) != fmt.Sprint(i/each) {
			return fmt.Errorf("waiter %d got %s", i, w.Value)
		}
	}
	return e.tidy(ctx, base, tasks)
}

func cancelled(ctx context.Context, e *Env) error {
	waits, give := context.WithCancel(ctx)
	defer give()
	c := wait(waits, e.Backend, e.id("never"))
	if err := still(c); err != nil {
		return err
	}
	give()
	if w, _ := over(c); !errors.Is(w.err, context.Canceled) {
		return fmt.Errorf("a cancelled Wait returned another error: %w", orNone(w.err))
	}
	id := e.id("late")
	for name, call := range map[string]func() error{
		"Store":  func() error { return e.Backend.Store(waits, success(id, "1")) },
		"Get":    func() error { _, err := e.Backend.Get(waits, id); return err },
		"Wait":   func() error { _, err := e.Backend.Wait(waits, id); return err },
		"Forget": func() error { return e.Backend.Forget(waits, id) },
	} {
		if err := promptly(call, context.Canceled); err != nil {
			return fmt.Errorf("%s with a context that has ended: %w", name, err)
		}
	}
	return nil
}

// promptly calls, and wants an error of a kind within a second.
func promptly(call func() error, want error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			return fmt.Errorf("want %w, and it returned another error: %w", want, orNone(err))
		}
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("has not returned within a second, want %w", want)
	}
}
