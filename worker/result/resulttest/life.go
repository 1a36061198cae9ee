package resulttest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

func lifeClauses() []Clause {
	return []Clause{
		{Name: "expires", Why: "results that nobody fetches would fill the server", Needs: []string{Expiry}, Check: expires},
		{Name: "forgets", Why: "a client says when it needs a result no more", Check: forgets},
		{Name: "refuses-for-good", Why: "a worker repeats a step that failed, and this one would fail for ever", Check: refuses},
		{Name: "closed", Why: "a worker that stops must not hang in its backend", Check: closed},
		{Name: "outage", Why: "servers are restarted, and workers and clients are not", Needs: []string{Restarts}, Check: outage},
	}
}

func refuses(ctx context.Context, e *Env) error {
	r := success(e.id("task"), `{"half": `)
	if err := e.Backend.Store(ctx, r); !errors.Is(err, result.ErrRefused) {
		return fmt.Errorf("a value that is no JSON gives %w, want ErrRefused", orNone(err))
	}
	return nil
}

func expires(ctx context.Context, e *Env) error {
	b, err := e.Open(ctx, result.Options{Expires: time.Second})
	if err != nil {
		return err
	}
	id := e.id("task")
	r := success(id, "1")
	r.Done = time.Now().UTC()
	if err := b.Store(ctx, r); err != nil {
		return err
	}
	if err := e.Backend.Store(ctx, success(id+"-lasts", "1")); err != nil {
		return err
	}
	if _, err := e.get(ctx, b, id, result.Success); err != nil {
		return fmt.Errorf("before its time: %w", err)
	}
	err = servertest.Until(ctx, soon, func() error {
		if c, ok := b.(result.Cleaner); ok {
			if err := c.Cleanup(ctx); err != nil {
				return fmt.Errorf("clean up: %w", err)
			}
		}
		r, err := b.Get(ctx, id)
		if err == nil && r.State != result.Pending {
			err = fmt.Errorf("a second later it is %s", r.State)
		}
		return err
	})
	if err != nil {
		return err
	}
	if time.Since(r.Done) < 900*time.Millisecond {
		return fmt.Errorf("gone after %v, and it was to stay for a second", time.Since(r.Done))
	}
	return nil
}

func forgets(ctx context.Context, e *Env) error {
	a, b, c := e.id("a"), e.id("b"), e.id("c")
	for _, id := range []string{a, b, c} {
		if err := e.Backend.Store(ctx, success(id, "1")); err != nil {
			return err
		}
		if _, err := e.get(ctx, e.Backend, id, result.Success); err != nil {
			return err
		}
	}
	if err := e.Backend.Forget(ctx, a, b, e.id("nobody")); err != nil {
		return err
	}
	if err := e.Backend.Forget(ctx); err != nil {
		return fmt.Errorf("forget nothing: %w", err)
	}
	for id, want := range map[string]result.State{a: result.Pending, b: result.Pending, c: result.Success} {
		if _, err := e.get(ctx, e.Backend, id, want); err != nil {
			return err
		}
	}
	return nil
}

func closed(ctx context.Context, e *Env) error {
	b, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	id := e.id("never")
	c := wait(ctx, b, id)
	if err := still(c); err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return fmt.Errorf("close a second time: %w", err)
	}
	if w, _ := over(c); !errors.Is(w.err, result.ErrClosed) {
		return fmt.Errorf("Wait on a backend that was closed meanwhile returned another error: %w", orNone(w.err))
	}
	for name, call := range map[string]func() error{
		"Store":  func() error { return b.Store(ctx, success(id, "1")) },
		"Get":    func() error { _, err := b.Get(ctx, id); return err },
		"Wait":   func() error { _, err := b.Wait(ctx, id); return err },
		"Forget": func() error { return b.Forget(ctx, id) },
	} {
		if err := promptly(call, result.ErrClosed); err != nil {
			return fmt.Errorf("%s on a closed backend: %w", name, err)
		}
	}
	return nil
}

func outage(ctx context.Context, e *Env) error {
	storer, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	id := e.id("task")
	c := wait(ctx, e.Backend, id)
	if err := still(c); err != nil {
		return err
	}
	e.Subject.Kill()
	if err := still(c); err != nil {
		return fmt.Errorf("while the server is down: %w", err)
	}
	down, cancel := context.WithTimeout(ctx, time.Second)
	begun := time.Now()
	err = storer.Store(down, success(id, "0"))
	cancel()
	if err == nil || time.Since(begun) > 3*time.Second {
		return fmt.Errorf("Store without a server returned after %v: %w", time.Since(begun), orNone(err))
	}
	if err := e.Subject.Up(ctx); err != nil {
		return err
	}
	store := func() error { return storer.Store(ctx, success(id, "1")) }
	if err := servertest.Until(ctx, soon, store); err != nil {
		return fmt.Errorf("store after the outage: %w", err)
	}
	if e.Subject.Lossy { // the result went nowhere if the client had not come back by then
		var w waiting
		return servertest.Until(ctx, soon, func() error {
			if err := store(); err != nil {
				return err
			}
			select {
			case w = <-c:
				return w.err
			default:
				return errors.New("the waiter has not heard of it")
			}
		})
	}
	w, err := over(c)
	if err == nil && (w.State != result.Success || w.at.IsZero()) {
		err = fmt.Errorf("got %s", w.State)
	}
	return err
}
