package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taskbench/worker"
)

// Celery's own command line against our worker.
func TestCeleryCommandLine(t *testing.T) {
	lines := []struct {
		args, want string // want is part of what is printed
	}{
		{"inspect ping", "pong"},
		{"inspect active", "empty"},
		{"inspect reserved", "empty"},
		{"inspect scheduled", "empty"},
		{"inspect revoked", "OK"},
		{"inspect registered", "lab.add"},
		{"inspect stats", "max-concurrency"},
		{"inspect active_queues", "cli-"},
		{"inspect report", "taskbench"},
		{"inspect conf", "worker_prefetch_multiplier"},
		{"inspect clock", "clock"},
		{"status", "OK"},
		{"control rate_limit lab.limited 10/m", "new rate limit set successfully"},
		{"control time_limit lab.sleep 10 20", "time limits set successfully"},
		{"control pool_grow 1", "pool will grow"},
		{"control pool_shrink 1", "pool will shrink"},
		{"control add_consumer cli-extra", "add consumer cli-extra"},
		{"control cancel_consumer cli-extra", "no longer consuming from cli-extra"},
		{"control enable_events", "task events"},
		{"control disable_events", "task events"},
		{"control revoke nothing", "OK"},
		{"control autoscale 4 1", "Autoscale not enabled"},
		{"control pool_restart", "Pool restarts not enabled"},
	}
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.commanded(t)
		for _, l := range lines {
			t.Run(strings.ReplaceAll(l.args, " ", "_"), func(t *testing.T) {
				t.Parallel()
				judge(t, "command line "+l.args, c.says(soon(t), p, l.args, l.want))
			})
		}
		t.Run("inspect_ping_of_a_broker", func(t *testing.T) {
			t.Parallel()
			out, err := c.CommandAt(soon(t), c.app, "inspect", "-d", p.node, "-t", "20", "ping")
			judge(t, "command line -b", printed(out, err, p.node, "pong"))
		})
	})
}

// says gives one worker a command by Celery's command line, which has to print the text beside the worker's name.
func (c *court) says(ctx context.Context, p *party, line, want string) error {
	args := slices.Insert(strings.Fields(line), 1, "-d", p.node, "-t", "20")
	out, err := c.Command(ctx, c.app, args...)
	return printed(out, err, p.node, want)
}

// printed is what is wrong with a command's output, where each of the texts has to be.
func printed(out string, err error, texts ...string) error {
	for _, text := range texts {
		if err == nil && !strings.Contains(out, text) {
			err = fmt.Errorf("there is no %q in what it printed: %s", text, out)
		}
	}
	return err
}

// Celery's own command line against a worker of ours that has tasks: one runs, and one waits for its place.
func TestCeleryCommandLineOfABusyWorker(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.worker(t, "ours-busy", func(n string) (*party, error) {
			return c.startOurs(worker.Config{Name: n + "@" + c.name, Pool: "prefork", Concurrency: 1, TrackStarted: true, Queues: []string{"busy-" + c.name}})
		})
		var ids []string
		raw, err := c.python.Do(soon(t), p.queue, `
first = sleep.delay(600)
wait(lambda: first.state == "STARTED")
second = sleep.delay(600)
wait(lambda: [i for i in inspect(NODE).reserved()[NODE] if i["id"] == second.id])
return [first.id, second.id]`, map[string]any{"NODE": p.node})
		if err == nil {
			err = json.Unmarshal(raw, &ids)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []struct{ args, want string }{
			{"inspect active", ids[0]},
			{"inspect reserved", ids[1]},
			{"inspect query_task " + ids[1], "reserved"},
			{"control revoke " + ids[1], ids[1]},
			{"inspect revoked", ids[1]},
			{"control terminate KILL " + ids[0], "terminate: " + ids[0]},
		} {
			judge(t, "busy "+strings.Fields(l.args)[1], c.says(soon(t), p, l.args, l.want))
		}
		for _, id := range ids {
			judge(t, "busy, the end", c.ask(soon(t), p.queue, p.node, `
return [caught(lambda: value("`+id+`"))[0], AsyncResult("`+id+`").state]`, `["TaskRevokedError", "REVOKED"]`))
		}
	})
}

// `celery control autoscale` and `pool_restart`, where the worker lets them.
func TestCeleryChangesOurPool(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.worker(t, "ours-scaled", func(n string) (*party, error) {
			return c.startOurs(worker.Config{
				Name: n + "@" + c.name, Pool: "prefork", Autoscale: worker.Autoscale{Max: 2, Min: 1}, PoolRestarts: true, Queues: []string{"scaled-" + c.name},
			})
		})
		judge(t, "control autoscale", c.says(soon(t), p, "control autoscale 5 3", "autoscale now max=5 min=3"))
		processes := `inspect(NODE).stats()[NODE]["pool"]["processes"]`
		raw, err := c.python.Do(soon(t), p.queue, `return wait(lambda: (lambda p: p if len(p) == 3 else None)(`+processes+`))`, map[string]any{"NODE": p.node})
		if err != nil {
			t.Fatal("the pool has not grown:", err)
		}
		judge(t, "control pool_restart", c.says(soon(t), p, "control pool_restart", "reload started"))
		judge(t, "restarted", c.ask(soon(t), p.queue, p.node, `
return [wait(lambda: (lambda p: len(p) == 3 and not set(p) & set(`+string(raw)+`))(`+processes+`)), add.delay(2, 3).get(timeout=60)]`, `[true, 5]`))
	})
}

// commanded is our worker for Celery's command line.
func (c *court) commanded(t *testing.T) *party {
	t.Helper()
	return c.worker(t, "ours-cli", func(n string) (*party, error) {
		return c.startOurs(worker.Config{Name: n + "@" + c.name, Pool: "prefork", Concurrency: 2, Queues: []string{"cli-" + c.name}})
	})
}

// Remote control ends our worker warmly, from Python and from Celery's command line, which finds that nobody answers:
// Celery's workers do not, either.
func TestCeleryShutsOurWorkerDown(t *testing.T) {
	shutdowns := map[string]func(ctx context.Context, c *court, p *party) error{
		"python": func(ctx context.Context, c *court, p *party) error {
			_, err := c.python.Do(ctx, p.queue, `app.control.shutdown(destination=[NODE])`, map[string]any{"NODE": p.node})
			return err
		},
		"control_shutdown": func(ctx context.Context, c *court, p *party) error {
			_, err := c.Command(ctx, c.app, "control", "-d", p.node, "-t", "1", "shutdown")
			if err == nil || !strings.Contains(err.Error(), "No nodes replied") {
				return fmt.Errorf("somebody answered, which Celery's workers do not: %w", err)
			}
			return nil
		},
	}
	eachCourt(t, func(t *testing.T, c *court) {
		for how, shutdown := range shutdowns {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				name := "mortal-" + how
				p, err := c.startOurs(worker.Config{Name: name + "@" + c.name, Pool: "prefork", Concurrency: 2, Queues: []string{name + "-" + c.name}})
				c.with(t, p, err)
				ctx := soon(t)
				var id string
				raw, err := c.python.Do(ctx, p.queue, `
r = sleep.delay(1)
wait(lambda: [i for i in inspect(NODE).active()[NODE] if i["id"] == r.id])
return r.id`, map[string]any{"NODE": p.node})
				if err == nil {
					err = json.Unmarshal(raw, &id)
				}
				if err == nil {
					err = shutdown(ctx, c, p)
				}
				if err == nil {
					err = c.ask(ctx, p.queue, p.node, `return value("`+id+`")`, `1`)
				}
				if err == nil {
					select {
					case <-p.process.Done():
					case <-ctx.Done():
						err = ctx.Err()
					}
				}
				judge(t, "shutdown", err)
			})
		}
	})
}

// `celery events --dump` prints the events of our worker.
func TestCeleryDumpsOurEvents(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.ours(t, "prefork", "asked")
		log := filepath.Join(c.dir, "dump.log")
		dump, err := c.Background(c.app, log, "events", "--dump")
		if err != nil {
			t.Fatal(err)
		}
		defer dump.Stop(0)
		ctx := soon(t)
		if err := dump.Printed(ctx, p.node); err != nil { // a heartbeat: it listens
			t.Fatal(err)
		}
		err = c.ask(ctx, p.queue, p.node, `return add.delay(20, 22).get(timeout=60)`, `42`)
		for _, text := range []string{"task received", "task started", "task succeeded"} {
			if err == nil {
				err = dump.Printed(ctx, text)
			}
		}
		judge(t, "events dump", err)
	})
}
