package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskbench/worker/client"
	"taskbench/worker/control"
	"taskbench/worker/event"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

var commands = []call{
	{"ping", func(ctx context.Context, c *caller) error { return c.answers(ctx, "ping", nil, `{"ok": "pong"}`) }},
	{"ping all", func(ctx context.Context, c *caller) error {
		replies, err := control.Send(ctx, c.exchanger, control.Request{Method: "ping", Timeout: 2 * time.Second})
		if err == nil && string(replies[c.node]) == "" {
			err = fmt.Errorf("only %v answer", replies)
		}
		return err
	}},
	{"registered", func(ctx context.Context, c *caller) error {
		var names []string
		err := c.command(ctx, "registered", nil, &names)
		if err == nil && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "lab.add") }) {
			err = fmt.Errorf("got %q", names)
		}
		return err
	}},
	{"active", func(ctx context.Context, c *caller) error {
		r, err := c.Delay(ctx, "lab.sleep", 3)
		if err != nil {
			return err
		}
		return until(ctx, func() (bool, error) {
			var tasks []control.TaskInfo
			err := c.command(ctx, "active", nil, &tasks)
			return slices.ContainsFunc(tasks, func(t control.TaskInfo) bool { return t.ID == r.ID && t.Name == "lab.sleep" }), err
		})
	}},
	{"scheduled", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.add", []any{1, 1}, nil, message.Options{Countdown: 15 * time.Second})
		if err != nil {
			return err
		}
		return c.isScheduled(ctx, r)
	}},
	{"stats", func(ctx context.Context, c *caller) error {
		var s control.Stats
		err := c.command(ctx, "stats", nil, &s)
		if err == nil && (s.PID == 0 || s.Pool.MaxConcurrency == 0) {
			err = fmt.Errorf("got %+v", s)
		}
		return err
	}},
	{"active queues", func(ctx context.Context, c *caller) error {
		var queues []control.Queue
		err := c.command(ctx, "active_queues", nil, &queues)
		if err == nil && !slices.ContainsFunc(queues, func(q control.Queue) bool { return q.Name == c.queue }) {
			err = fmt.Errorf("got %+v", queues)
		}
		return err
	}},
	{"revoke", func(ctx context.Context, c *caller) error {
		r, err := c.Apply(ctx, "lab.add", []any{1, 1}, nil, message.Options{Countdown: 15 * time.Second})
		if err != nil {
			return err
		}
		if err := c.isScheduled(ctx, r); err != nil {
			return err
		}
		if _, err := control.Send(ctx, c.exchanger, control.Request{Method: "revoke", Args: map[string]any{"task_id": r.ID}, Cast: true}); err != nil {
			return err
		}
		return fails(ctx, r, nil, result.Revoked, "TaskRevokedError", `["revoked"]`)
	}},
	{"rate limit", func(ctx context.Context, c *caller) error {
		limit := func(rate any) error {
			var a map[string]string
			err := c.command(ctx, "rate_limit", map[string]any{"task_name": "lab.limited", "rate_limit": rate}, &a)
			if err == nil && a["ok"] == "" {
				err = fmt.Errorf("the answer is %v", a)
			}
			return err
		}
		if err := limit("4/s"); err != nil {
			return err
		}
		var sent []*client.AsyncResult
		for i := range 9 {
			r, err := c.Delay(ctx, "lab.limited", i)
			if err != nil {
				return err
			}
			sent = append(sent, r)
		}
		var times []float64
		for _, r := range sent {
			var at float64
			if err := r.Get(ctx, &at); err != nil {
				return err
			}
			times = append(times, at)
		}
		if span := slices.Max(times) - slices.Min(times); span < 1.2 || span > 15 {
			return fmt.Errorf("9 tasks at 4 a second took %.2f s", span)
		}
		return limit(0)
	}},
	{"add and cancel a consumer", func(ctx context.Context, c *caller) error {
		extra := c.queue + "-go"
		for _, method := range []string{"add_consumer", "cancel_consumer"} {
			var a map[string]string
			if err := c.command(ctx, method, map[string]any{"queue": extra}, &a); err != nil || a["ok"] == "" {
				return fmt.Errorf("%s: the answer is %v (%w)", method, a, err)
			}
			err := until(ctx, func() (bool, error) {
				var queues []control.Queue
				err := c.command(ctx, "active_queues", nil, &queues)
				there := slices.ContainsFunc(queues, func(q control.Queue) bool { return q.Name == extra })
				return there == (method == "add_consumer"), err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
		return nil
	}},
	{"task events", func(ctx context.Context, c *caller) error {
		seen, err := c.hears(ctx, "lab.add", []any{2, 3}, "task-succeeded")
		if err != nil {
			return err
		}
		if want := []string{"task-received", "task-started", "task-succeeded"}; !slices.Equal(seen, want) {
			return fmt.Errorf("heard %q", seen)
		}
		return nil
	}},
	{"event of a failure", func(ctx context.Context, c *caller) error {
		_, err := c.hears(ctx, "lab.fail", []any{"boom"}, "task-failed")
		return err
	}},
	{"heartbeats", func(ctx context.Context, c *caller) error {
		ctx, heard := context.WithCancelCause(ctx)
		var r event.Receiver
		err := r.Listen(ctx, c.exchanger, nil, func(e event.Event) {
			if e.Type == "worker-heartbeat" && e.Hostname == c.node {
				heard(errHeard)
			}
		})
		if err == nil && !errors.Is(context.Cause(ctx), errHeard) {
			err = context.Cause(ctx)
		}
		return err
	}},
}

var errHeard = fmt.Errorf("it was heard")

// command gives the worker a command and decodes its answer.
func (c *caller) command(ctx context.Context, method string, args map[string]any, into any) error {
	replies, err := control.Send(ctx, c.exchanger, control.Request{Method: method, Args: args, Destination: []string{c.node}, Timeout: 30 * time.Second})
	if err != nil {
		return err
	}
	raw, ok := replies[c.node]
	if !ok {
		return fmt.Errorf("%s: %s does not answer, only %v", method, c.node, replies)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w: %s", method, err, raw)
	}
	return nil
}

func (c *caller) answers(ctx context.Context, method string, args map[string]any, want string) error {
	var got json.RawMessage
	if err := c.command(ctx, method, args, &got); err != nil {
		return err
	}
	return same(got, want)
}

// isScheduled waits until the worker holds the task for its time.
func (c *caller) isScheduled(ctx context.Context, r *client.AsyncResult) error {
	return until(ctx, func() (bool, error) {
		var tasks []control.Scheduled
		err := c.command(ctx, "scheduled", nil, &tasks)
		return slices.ContainsFunc(tasks, func(s control.Scheduled) bool { return s.Request.ID == r.ID }), err
	})
}

// hears sends a task and returns the types of its events in the order of their clocks, up to the last.
func (c *caller) hears(ctx context.Context, task string, args []any, last string) ([]string, error) {
	id := newID()
	ctx, heard := context.WithCancelCause(ctx)
	defer heard(nil)
	var events []event.Event
	var r event.Receiver
	err := r.Listen(ctx, c.exchanger, func() {
		if err := c.SendAs(ctx, id, task, args, nil, message.Options{Queue: c.queue}); err != nil {
			heard(err)
		}
	}, func(e event.Event) {
		if e.UUID == id && e.Hostname == c.node {
			events = append(events, e)
			if e.Type == last {
				heard(errHeard)
			}
		}
	})
	slices.SortStableFunc(events, func(a, b event.Event) int { return int(a.Clock - b.Clock) })
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, errHeard) {
		err = fmt.Errorf("heard %q: %w", types, cause)
	}
	return types, err
}
