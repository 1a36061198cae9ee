package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"taskbench/worker/client"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// calls are held to Celery's worker, and to ours.
var calls = append(append(append([]call{}, sends...), flows...), commands...)

var sends = []call{
	{"plain", func(ctx context.Context, c *caller) error { return c.gives(ctx, `5`, "lab.add", 2, 3) }},
	{"kwargs", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.echo", []any{1}, map[string]any{"a": "b", "c": []any{nil, 1.5}}, message.Options{})
		return becomes(ctx, r, err, `{"args": [1], "kwargs": {"a": "b", "c": [null, 1.5]}}`)
	}},
	{"unicode", func(ctx context.Context, c *caller) error {
		text := "żółć 😀 \x00 \u2028 \x7f e\u0301 <&>"
		quoted, err := json.Marshal(text)
		if err != nil {
			return err
		}
		r, err := c.Apply(ctx, "lab.echo", []any{text}, map[string]any{"ключ": text}, message.Options{})
		return becomes(ctx, r, err, fmt.Sprintf(`{"args": [%s], "kwargs": {"ключ": %[1]s}}`, quoted))
	}},
	{"numbers", func(ctx context.Context, c *caller) error {
		huge, _ := new(big.Int).SetString("1000000000000000000000000000000", 10)
		r, err := c.Delay(ctx, "lab.echo", 1<<53+1, huge, 0.1, true, nil)
		if err != nil {
			return err
		}
		record, err := c.results.Wait(ctx, r.ID)
		if err == nil && !strings.Contains(strings.ReplaceAll(string(record.Value), " ", ""), "[9007199254740993,1000000000000000000000000000000,0.1,true,null]") {
			err = fmt.Errorf("got %s", record.Value)
		}
		return err
	}},
	{"big argument", func(ctx context.Context, c *caller) error {
		return c.gives(ctx, `5000000`, "lab.length", strings.Repeat("x", 5_000_000))
	}},
	{"big result", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.big", 5_000_000)
		if err != nil {
			return err
		}
		var text string
		if err = r.Get(ctx, &text); err == nil && len(text) != 5_000_000 {
			err = fmt.Errorf("got %d bytes", len(text))
		}
		return err
	}},
	{"none", func(ctx context.Context, c *caller) error { return c.gives(ctx, `null`, "lab.noop") }},
	{"countdown", func(ctx context.Context, c *caller) error {
		began := time.Now()
		r, err := c.Apply(ctx, "lab.add", []any{1, 1}, nil, message.Options{Countdown: time.Second})
		if err = becomes(ctx, r, err, `2`); err == nil && (time.Since(began) < 950*time.Millisecond || time.Since(began) > 30*time.Second) {
			err = fmt.Errorf("it took %v", time.Since(began))
		}
		return err
	}},
	{"expires", func(ctx context.Context, c *caller) error {
		now := time.Now()
		r, err := c.Apply(ctx, "lab.add", []any{1, 1}, nil, message.Options{ETA: now.Add(4 * time.Second), Expires: now.Add(3800 * time.Millisecond)})
		return fails(ctx, r, err, result.Revoked, "TaskRevokedError", `["expired"]`)
	}},
	{"retry", func(ctx context.Context, c *caller) error { return c.gives(ctx, `3`, "lab.again", 3) }},
	{"retries used up", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.never")
		return fails(ctx, r, err, result.Failure, "KeyError", `["never"]`)
	}},
	{"error", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.fail", "bööm")
		return fails(ctx, r, err, result.Failure, "ValueError", `["bööm"]`)
	}},
	{"traceback", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.fail", "boom")
		if err != nil {
			return err
		}
		record, err := c.results.Wait(ctx, r.ID)
		if err == nil && !strings.Contains(record.Exception.Traceback, "boom") {
			err = fmt.Errorf("the traceback is %q", record.Exception.Traceback)
		}
		return err
	}},
	{"started", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.sleep", 1)
		if err != nil {
			return err
		}
		return until(ctx, func() (bool, error) {
			s, err := r.State(ctx)
			if s.Ready() {
				return false, fmt.Errorf("it was %s and never STARTED", s)
			}
			return s == result.Started, err
		})
	}},
	{"soft limit", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.patient", []any{10}, nil, message.Options{Soft: time.Second})
		return becomes(ctx, r, err, `"soft"`)
	}},
	{"hard limit", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.sleep", []any{20}, nil, message.Options{Hard: time.Second})
		return fails(ctx, r, err, result.Failure, "TimeLimitExceeded", "")
	}},
	{"unknown task", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.unknown")
		return fails(ctx, r, err, result.Failure, "NotRegistered", `["lab.unknown"]`)
	}},
	{"ignored result", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.add", []any{1, 2}, nil, message.Options{IgnoreResult: true})
		if err != nil {
			return err
		}
		for range 3 {
			if err := c.gives(ctx, `2`, "lab.add", 1, 1); err != nil {
				return err
			}
		}
		if s, err := r.State(ctx); s == result.Success || err != nil {
			return fmt.Errorf("its state is %s (%w)", s, err)
		}
		return nil
	}},
	{"headers", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.request", nil, nil, message.Options{Headers: map[string]any{"X-Mine": "h"}})
		if err != nil {
			return err
		}
		var got struct{ Headers map[string]any }
		if err = r.Get(ctx, &got); err == nil && got.Headers["X-Mine"] != "h" {
			err = fmt.Errorf("got %v", got)
		}
		return err
	}},
	{"zlib", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.length", []any{strings.Repeat("x", 100_000)}, nil, message.Options{Compress: message.Gzip})
		return becomes(ctx, r, err, `100000`)
	}},
	{"zstd", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.length", []any{strings.Repeat("x", 100_000)}, nil, message.Options{Compress: message.Zstd})
		return becomes(ctx, r, err, `100000`)
	}},
	{"forget", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.add", 1, 1)
		if err = becomes(ctx, r, err, `2`); err != nil {
			return err
		}
		if err := r.Forget(ctx); err != nil {
			return err
		}
		if s, err := r.State(ctx); s != result.Pending || err != nil {
			return fmt.Errorf("its state is %s (%w)", s, err)
		}
		return nil
	}},
}

// gives calls a task and compares what it returns.
func (c *caller) gives(ctx context.Context, want, task string, args ...any) error {
	r, err := c.Delay(ctx, task, args...)
	return becomes(ctx, r, err, want)
}

// becomes waits for a task that was sent, unless err says that it was not.
func becomes(ctx context.Context, r *client.AsyncResult, err error, want string) error {
	if err != nil {
		return err
	}
	var got json.RawMessage
	if err := r.Get(ctx, &got); err != nil {
		return err
	}
	return same(got, want)
}

// fails waits for a task that must end with the exception; args "" stands for any.
func fails(ctx context.Context, r *client.AsyncResult, err error, state result.State, class, args string) error {
	if err != nil {
		return err
	}
	err = r.Get(ctx, nil)
	x, ok := errors.AsType[*result.Exception](err)
	if !ok {
		return fmt.Errorf("it ended with %w", err)
	}
	if s, err := r.State(ctx); s != state || err != nil || x.Type != class {
		return errors.Join(fmt.Errorf("it is %s with %s", s, x.Error()), err)
	}
	if args == "" {
		return nil
	}
	got, err := json.Marshal(x.Args)
	if err != nil {
		return err
	}
	return same(got, args)
}

// until asks again and again until the answer is yes.
func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("waited in vain")
		}
	}
}
