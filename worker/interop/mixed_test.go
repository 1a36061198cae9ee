package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"taskbench/worker"
	"taskbench/worker/client"
)

// mix starts a worker of each side on one queue.
func (c *court) mix(t *testing.T, name string, concurrency int, theirs ...string) (queue string) {
	t.Helper()
	queue = name + "-" + c.name
	args := append([]string{"-c", fmt.Sprint(concurrency), "-Q", queue}, theirs...)
	c.worker(t, "celery-"+name, func(n string) (*party, error) { return c.startTheirs(n, queue, args...) })
	c.worker(t, "ours-"+name, func(n string) (*party, error) {
		return c.startOurs(worker.Config{Name: n + "@" + c.name, Pool: "prefork", Concurrency: concurrency, Queues: []string{queue}})
	})
	return queue
}

// Workers of both sides take from one queue: every task is done once, and both take part.
func TestMixedWorkers(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		const tasks = 500
		queue := c.mix(t, "mixed", 2)
		who := func(from string, get func() (map[string]int, error)) {
			counts, err := get()
			if err == nil && (counts["go"]+counts["python"] != tasks || counts["go"] == 0 || counts["python"] == 0) {
				err = fmt.Errorf("%d tasks of %s were done by %v", tasks, from, counts)
			}
			judge(t, "mixed workers", err)
		}
		ctx := soon(t)
		who("Celery's client", func() (counts map[string]int, err error) {
			raw, err := c.python.Do(ctx, queue, `
ids = [who.delay().id for _ in range(TASKS)]
import collections
return collections.Counter(value(id, 90) for id in ids)`, map[string]any{"TASKS": tasks})
			if err != nil {
				return nil, err
			}
			return counts, json.Unmarshal(raw, &counts)
		})
		one := c.caller(t, &party{queue: queue})
		who("our client", func() (map[string]int, error) {
			counts := map[string]int{}
			var sent []*client.AsyncResult
			for range tasks {
				r, err := one.Delay(ctx, "lab.who")
				if err != nil {
					return nil, err
				}
				sent = append(sent, r)
			}
			for _, r := range sent {
				var name string
				if err := r.Get(ctx, &name); err != nil {
					return nil, err
				}
				counts[name]++
			}
			return counts, nil
		})
	})
}

// One workflow goes through workers of both sides, which report the parts of one chord.
func TestMixedChord(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		queue := c.mix(t, "mixed", 2)
		for i := range 5 {
			judge(t, "mixed chord", c.ask(soon(t), queue, "", `
body = chain(xsum.s(), add.s(1))
return value(chord([chain(add.s(i, i), add.s(1)) for i in range(40)])(body).id, 90)`, `1601`))
			if t.Failed() {
				t.Fatalf("round %d", i)
			}
		}
	})
}

// Whoever starts learns from workers of the other side what they have revoked.
func TestMingledRevocations(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		ctx := soon(t)
		// learns has a worker of one side be told of a revocation, and starts one of the other side until that knows of
		// it: who starts waits for a second alone, which may be too short where much runs at once.
		learns := func(teller *party, id string, start func() (*party, error)) {
			revoke := `
app.control.revoke("` + id + `", destination=[NODE])
return bool(wait(lambda: "` + id + `" in inspect(NODE).revoked()[NODE]))`
			if err := c.ask(ctx, teller.queue, teller.node, revoke, `true`); err != nil {
				t.Fatal(err)
			}
			err := until(ctx, func() (bool, error) {
				p, err := start()
				if err != nil {
					return false, err
				}
				defer p.process.Stop(0)
				known := `
try: return wait(lambda: "` + id + `" in inspect(NODE).revoked()[NODE], 5)
except TimeoutError: return False`
				return c.ask(ctx, p.queue, p.node, known, `true`) == nil, nil
			})
			judge(t, "mingle "+id, err)
		}
		learns(c.theirs(t, "called"), "revoked-by-celery", func() (*party, error) {
			return c.startOurs(worker.Config{Name: "mingled@" + c.name, Pool: "goroutine", Concurrency: 1, Queues: []string{"mingled-" + c.name}})
		})
		learns(c.ours(t, "threads", "called"), "revoked-by-ours", func() (*party, error) {
			return c.startTheirs("mingling", "mingling-"+c.name, "-c", "1")
		})
	})
}

// A worker of one side is killed over its tasks, and the other side does them. Celery's acknowledges late, as ours do.
func TestKilledWorkersTasksAreDone(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		queue := "killed-" + c.name
		first, err := c.startOurs(worker.Config{Name: "killed@" + c.name, Pool: "prefork", Concurrency: 4, Queues: []string{queue}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		one := c.caller(t, first)
		var sent []*client.AsyncResult
		for range 8 {
			r, err := one.Delay(ctx, "lab.sleep", 2)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, r)
		}
		err = until(ctx, func() (bool, error) {
			var active []json.RawMessage
			err := one.command(ctx, "active", nil, &active)
			return len(active) == 4, err
		})
		if err != nil {
			t.Fatal(err)
		}
		first.process.Stop(0)
		second, err := c.startTheirs("heir", queue)
		if err != nil {
			t.Fatal(err)
		}
		defer second.process.Stop(time.Second)
		for _, r := range sent {
			judge(t, "killed worker", becomes(ctx, r, nil, `2`))
		}
	})
}
