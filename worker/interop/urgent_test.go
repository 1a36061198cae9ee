package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"taskbench/worker"
	"taskbench/worker/client"
	"taskbench/worker/interop"
	"taskbench/worker/message"
)

// Urgent tasks overtake, whichever side declares the queue, whichever sends them and whichever takes them.
func TestPriorities(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		ascending := []uint8{9, 6, 3, 0} // from the least urgent on: Celery's steps on Redis, where 0 is urgent
		if c.driver.Name == "rabbitmq" {
			c, ascending = c.prioritised(t), []uint8{0, 3, 7, 10}
		}
		urgent := func(queue string, first, second func(context.Context, string) ([]string, error), start func(name, queue string) (*party, error)) {
			ctx := soon(t)
			var sent [][]string
			for _, send := range []func(context.Context, string) ([]string, error){first, second} {
				ids, err := send(ctx, queue)
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, ids)
			}
			c.worker(t, queue, func(name string) (*party, error) { return start(name, queue+"-"+c.name) })
			for _, ids := range sent {
				judge(t, "priorities "+queue, c.inReverse(ctx, ids))
			}
		}
		theirs := func(ctx context.Context, queue string) (ids []string, err error) {
			raw, err := c.python.Do(ctx, queue+"-"+c.name, `return [limited.apply_async((p,), priority=p).id for p in PRIORITIES]`,
				map[string]any{"PRIORITIES": numbersOf(ascending)})
			if err != nil {
				return nil, err
			}
			return ids, json.Unmarshal(raw, &ids)
		}
		ours := func(ctx context.Context, queue string) (ids []string, err error) {
			one := c.caller(t, &party{queue: queue + "-" + c.name})
			for _, priority := range ascending {
				var r *client.AsyncResult
				if r, err = one.Apply(ctx, "lab.limited", []any{int(priority)}, nil, message.Options{Priority: priority}); err != nil {
					return nil, err
				}
				ids = append(ids, r.ID)
			}
			return ids, nil
		}
		// Who sends first declares the queue, and on RabbitMQ is refused nothing by the other.
		urgent("urgent-celery", ours, theirs, func(name, queue string) (*party, error) {
			return c.startTheirs(name, queue, "-c", "1", "--prefetch-multiplier", "1")
		})
		urgent("urgent-ours", theirs, ours, func(name, queue string) (*party, error) {
			return c.startOurs(worker.Config{Name: name + "@" + c.name, Pool: "solo", Prefetch: 1, Queues: []string{queue}})
		})
	})
}

// inReverse waits for tasks that return when they ran, and compares the times: the last of them came first.
func (c *court) inReverse(ctx context.Context, ids []string) error {
	raw, err := c.python.Do(ctx, "", `return [value(id) for id in IDS]`, map[string]any{"IDS": ids})
	if err != nil {
		return err
	}
	var times []float64
	if err := json.Unmarshal(raw, &times); err != nil {
		return err
	}
	slices.Reverse(times)
	if !slices.IsSorted(times) {
		return fmt.Errorf("from the most urgent on, they ran at %v", times)
	}
	return nil
}

// prioritised is the court with queues that RabbitMQ orders by priority, which each side says in its own way.
func (c *court) prioritised(t *testing.T) *court {
	t.Helper()
	const most = "10"
	server := &interop.Server{URL: c.server.URL + "?max_priority=" + most}
	other := &court{
		Celery: c.Celery, site: &site{driver: c.driver, variant: c.variant, server: server, backend: c.backend},
		name: "urgent-" + c.name, dir: c.dir, app: c.app, workers: map[string]*party{},
	}
	other.app.Conf = map[string]any{"task_queue_max_priority": json.Number(most)}
	python, err := c.Client(soon(t), other.app, filepath.Join(c.dir, "client-urgent.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(python.Close)
	other.python = python
	return other
}

// numbersOf are numbers as JSON has them: bytes would be text.
func numbersOf(list []uint8) (all []int) {
	for _, n := range list {
		all = append(all, int(n))
	}
	return all
}
