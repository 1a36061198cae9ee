package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"taskbench/worker"
	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// registry holds the tasks of app/lab.py.
func registry() *worker.Registry {
	r := &worker.Registry{}
	r.Add("lab.add", func(_ context.Context, r *worker.Request) (any, error) {
		x, y, err := numbers(r)
		return x + y, err
	})
	r.Add("lab.mul", func(_ context.Context, r *worker.Request) (any, error) {
		x, y, err := numbers(r)
		return x * y, err
	})
	r.Add("lab.xsum", func(_ context.Context, r *worker.Request) (any, error) {
		var list []int
		sum := 0
		err := r.Arg(0, &list)
		for _, n := range list {
			sum += n
		}
		return sum, err
	})
	r.Add("lab.echo", func(_ context.Context, r *worker.Request) (any, error) {
		kwargs := r.Kwargs
		if kwargs == nil {
			kwargs = map[string]json.RawMessage{}
		}
		return map[string]any{"args": append([]json.RawMessage{}, r.Args...), "kwargs": kwargs}, nil
	})
	r.Add("lab.length", func(_ context.Context, r *worker.Request) (any, error) {
		var text string
		err := r.Arg(0, &text)
		return len(text), err
	})
	r.Add("lab.big", func(_ context.Context, r *worker.Request) (any, error) {
		var size int
		err := r.Arg(0, &size)
		return strings.Repeat("x", size), err
	})
	r.Add("lab.noop", func(context.Context, *worker.Request) (any, error) { return nil, nil })
	r.Add("lab.sleep", func(ctx context.Context, r *worker.Request) (any, error) {
		return sleep(ctx, r)
	})
	r.Add("lab.lasting", func(ctx context.Context, r *worker.Request) (any, error) { return sleep(ctx, r) })
	r.Add("lab.patient", func(ctx context.Context, r *worker.Request) (any, error) {
		if _, err := sleep(ctx, r); err != nil {
			return "soft", nil
		}
		return "whole", nil
	})
	r.Add("lab.fail", func(_ context.Context, r *worker.Request) (any, error) {
		return nil, raise("ValueError", r.Args...)
	})
	r.Add("lab.again", func(_ context.Context, r *worker.Request) (any, error) {
		var times int
		if err := r.Arg(0, &times); err != nil {
			return nil, err
		}
		return r.Retries, retryUntil(r, times)
	})
	r.Add("lab.never", func(context.Context, *worker.Request) (any, error) {
		return nil, &worker.RetryError{After: 100 * time.Millisecond, Max: 1, Cause: raise("KeyError", json.RawMessage(`"never"`))}
	})
	r.Add("lab.limited", func(context.Context, *worker.Request) (any, error) {
		return float64(time.Now().UnixMicro()) / 1e6, nil
	})
	r.Add("lab.failed", func(_ context.Context, r *worker.Request) (any, error) {
		var id string
		err := r.Arg(0, &id)
		return id, err
	})
	r.Add("lab.who", func(ctx context.Context, r *worker.Request) (any, error) {
		var err error
		if len(r.Args) > 0 {
			_, err = sleep(ctx, r)
		}
		return "go", err
	})
	r.Add("lab.request", func(_ context.Context, r *worker.Request) (any, error) {
		times := 0
		if len(r.Args) > 0 {
			if err := r.Arg(0, &times); err != nil {
				return nil, err
			}
		}
		if err := retryUntil(r, times); err != nil {
			return nil, err
		}
		extra := map[string]any{}
		for k, v := range r.Headers {
			if strings.HasPrefix(k, "X-") {
				extra[k] = v
			}
		}
		return map[string]any{
			"id": r.ID, "root_id": r.Headers["root_id"], "parent_id": r.Headers["parent_id"], "group": r.Headers["group"],
			"retries": r.Retries, "headers": extra, "stamps": r.Headers["stamps"],
		}, nil
	})
	r.Add("lab.swap", func(_ context.Context, r *worker.Request) (any, error) {
		x, y, err := numbers(r)
		if err != nil {
			return nil, err
		}
		return nil, &canvas.ReplaceError{With: canvas.Sig("lab.mul", x, y)}
	})
	return r
}

func numbers(r *worker.Request) (x, y int, err error) {
	for i, into := range []*int{&x, &y} {
		named, err := r.Kwarg([]string{"x", "y"}[i], into)
		if err == nil && !named {
			err = r.Arg(i, into)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return x, y, nil
}

// sleep waits for as many seconds as the task's argument says, or until the task is given up.
func sleep(ctx context.Context, r *worker.Request) (json.RawMessage, error) {
	var seconds float64
	if err := r.Arg(0, &seconds); err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(seconds * float64(time.Second))):
		return r.Args[0], nil
	case <-ctx.Done():
		return nil, fmt.Errorf("sleep: %w", context.Cause(ctx))
	}
}

// retryUntil asks for a retry until a task has had so many.
func retryUntil(r *worker.Request, times int) error {
	if r.Retries >= times {
		return nil
	}
	return &worker.RetryError{After: 100 * time.Millisecond, Max: 10, Cause: raise("RuntimeError", json.RawMessage(`"not yet"`))}
}

func raise(class string, args ...json.RawMessage) error {
	return &result.Exception{Module: result.Builtins, Type: class, Args: args}
}
