package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/worker/interop"
)

// benchBinary builds the command.
func benchBinary(t *testing.T) string {
	t.Helper()
	bench := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bench, "../../cmd/bench").CombinedOutput(); err != nil {
		t.Fatalf("build bench: %v\n%s", err, out)
	}
	return bench
}

// bench gives one worker a command by `bench inspect` or `bench control`, which has to print the text beside the
// worker's name.
func (c *court) bench(ctx context.Context, bench string, p *party, line, want string) error {
	args := append(strings.Fields(line), "--broker", c.server.URL, "-d", p.node, "-t", "20s", "--json")
	out, err := exec.CommandContext(ctx, bench, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("bench %s: %w: %s", line, err, out)
	}
	return printed(string(out), nil, p.node, want)
}

// `bench inspect` and `bench control` against Celery's worker.
func TestBenchCommandLine(t *testing.T) {
	celeries(t)
	bench := benchBinary(t)
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.theirs(t, "called")
		for _, l := range []struct{ args, want string }{
			{"inspect ping", "pong"},
			{"inspect registered", "lab.add"},
			{"inspect stats", "prefetch_count"},
			{"inspect active_queues", p.queue},
			{"control rate_limit lab.big 100/s", "new rate limit set successfully"},
			{"control time_limit lab.big 60 90s", "time limits set successfully"},
			{"control enable_events", "task events"},
		} {
			t.Run(strings.ReplaceAll(l.args, " ", "_"), func(t *testing.T) {
				t.Parallel()
				judge(t, "bench "+l.args, c.bench(soon(t), bench, p, l.args, l.want))
			})
		}
	})
}

// `bench control` changes what Celery's worker does, which the worker then shows: one command after the other, to a
// worker that nobody else has and that the last of them ends.
func TestBenchSteersCelery(t *testing.T) {
	celeries(t)
	bench := benchBinary(t)
	eachCourt(t, func(t *testing.T, c *court) {
		p, err := c.startTheirs("steered", "steered-"+c.name, "-c", "2")
		c.with(t, p, err)
		started := func() (string, error) {
			var id string
			raw, err := c.python.Do(soon(t), p.queue, `
r = sleep.delay(600)
wait(lambda: r.state == "STARTED")
return r.id`, nil)
			if err == nil {
				err = json.Unmarshal(raw, &id)
			}
			return id, err
		}
		revoked, err := started()
		if err != nil {
			t.Fatal(err)
		}
		killed, err := started()
		if err != nil {
			t.Fatal(err)
		}
		sees := func(code string) func() error {
			return func() error { return c.ask(soon(t), p.queue, p.node, code, `true`) }
		}
		consumes := `"steered-extra" in [q["name"] for q in inspect(NODE).active_queues()[NODE]]`
		size := `len(inspect(NODE).stats()[NODE]["pool"]["processes"])`
		for _, l := range []struct {
			args, want string
			then       func() error
		}{
			{"control revoke --terminate " + revoked, revoked, sees(`return caught(lambda: value("` + revoked + `"))[0] == "TaskRevokedError"`)},
			{"inspect revoked", revoked, nil},
			{"control terminate KILL " + killed, killed, sees(`return caught(lambda: value("` + killed + `"))[0] == "TaskRevokedError"`)},
			{"control pool_grow 2", "pool will grow", sees(`return wait(lambda: ` + size + ` == 4)`)},
			{"control pool_shrink", "pool will shrink", sees(`return wait(lambda: ` + size + ` == 3)`)},
			{"control add_consumer steered-extra", "add consumer steered-extra", sees(`return wait(lambda: ` + consumes + `)`)},
			{"control cancel_consumer steered-extra", "no longer consuming from steered-extra", sees(`return wait(lambda: not ` + consumes + `)`)},
			{"control disable_events", "task events", nil},
			{"control enable_events", "task events", nil},
		} {
			err := c.bench(soon(t), bench, p, l.args, l.want)
			if err == nil && l.then != nil {
				err = l.then()
			}
			judge(t, "bench "+strings.Join(strings.Fields(l.args)[:2], " "), err)
		}
		for _, method := range []string{"pool_restart", "autoscale 3 1"} {
			err := c.bench(soon(t), bench, p, "control "+method, "")
			if err == nil || !strings.Contains(err.Error(), "not enabled") || !strings.Contains(err.Error(), "1 worker refused") {
				judge(t, "bench control "+method, fmt.Errorf("what Celery refuses is no refusal: %w", err))
			}
		}
		ctx := soon(t)
		out, err := exec.CommandContext(ctx, bench, "control", "shutdown", "--broker", c.server.URL, "-d", p.node).CombinedOutput()
		if err == nil {
			select {
			case <-p.process.Done():
			case <-ctx.Done():
				err = fmt.Errorf("the worker goes on: %w", ctx.Err())
			}
		}
		judge(t, "bench control shutdown", printed(string(out), err, "shutdown is sent"))
	})
}

// `bench events` shows what Celery's worker tells, in words and as JSON, and has a worker tell that was told not to.
func TestBenchShowsCelerysEvents(t *testing.T) {
	celeries(t)
	bench := benchBinary(t)
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.theirs(t, "called")
		for _, form := range []struct {
			name string
			args []string
			want []string // beside the id of a task
		}{
			{"words", nil, []string{"task-received", "task-started", "task-succeeded", "lab.add[%s]", "worker-heartbeat"}},
			{"json", []string{"--json", "--type", "task-*"}, []string{`"type": "task-received"`, `"type": "task-started"`, `"type": "task-succeeded"`, `"uuid": "%s"`}},
		} {
			t.Run(form.name, func(t *testing.T) {
				t.Parallel()
				ctx := soon(t)
				args := append([]string{bench, "events", "--broker", c.server.URL, "--enable"}, form.args...)
				show, err := interop.Start(args, nil, c.dir, filepath.Join(t.TempDir(), "events.log"))
				if err != nil {
					t.Fatal(err)
				}
				defer show.Stop(0)
				if err := show.Printed(ctx, "listening to events"); err != nil {
					t.Fatal(err)
				}
				var id string
				raw, err := c.python.Do(ctx, p.queue, `
r = add.delay(20, 22)
r.get(timeout=60)
return r.id`, nil)
				if err == nil {
					err = json.Unmarshal(raw, &id)
				}
				for _, text := range form.want {
					if err == nil {
						err = show.Printed(ctx, strings.ReplaceAll(text, "%s", id))
					}
				}
				judge(t, "bench events", err)
			})
		}
	})
}
