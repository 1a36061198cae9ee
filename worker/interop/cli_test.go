package interop_test

import (
	"fmt"
	"os/exec"
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
		{"inspect conf", "OK"},
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
	}
	eachCourt(t, func(t *testing.T, c *court) {
		p := c.commanded(t)
		for _, l := range lines {
			t.Run(strings.ReplaceAll(l.args, " ", "_"), func(t *testing.T) {
				t.Parallel()
				args := strings.Fields(l.args)
				args = slices.Insert(args, 1, "-d", p.node, "-t", "20")
				out, err := c.Command(soon(t), c.app, args...)
				if err == nil && (!strings.Contains(out, l.want) || !strings.Contains(out, p.node)) {
					err = fmt.Errorf("it printed: %s", out)
				}
				judge(t, "command line "+l.args, err)
			})
		}
	})
}

// commanded is our worker for Celery's command line.
func (c *court) commanded(t *testing.T) *party {
	t.Helper()
	return c.worker(t, "ours-cli", func(n string) (*party, error) {
		return c.startOurs(worker.Config{Name: n + "@" + c.name, Pool: "prefork", Concurrency: 2, Queues: []string{"cli-" + c.name}})
	})
}

// `celery shutdown` ends our worker warmly.
func TestCeleryShutsOurWorkerDown(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		p, err := c.startOurs(worker.Config{Name: "mortal@" + c.name, Pool: "prefork", Concurrency: 2, Queues: []string{"mortal-" + c.name}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.process.Stop(0)
		ctx := soon(t)
		_, err = c.python.Do(ctx, p.queue, `
r = sleep.delay(1)
wait(lambda: [i for i in inspect(NODE).active()[NODE] if i["id"] == r.id])
app.control.shutdown(destination=[NODE])
return value(r.id)`, map[string]any{"NODE": p.node})
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
		} {
			t.Run(strings.ReplaceAll(l.args, " ", "_"), func(t *testing.T) {
				t.Parallel()
				args := append(strings.Fields(l.args), "--broker", c.server.URL, "-d", p.node, "-t", "20s", "--json")
				out, err := exec.CommandContext(soon(t), bench, args...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), l.want) || !strings.Contains(string(out), p.node) {
					err = fmt.Errorf("it printed: %s (%w)", out, err)
				}
				judge(t, "bench "+l.args, err)
			})
		}
	})
}

// benchBinary builds the command.
func benchBinary(t *testing.T) string {
	t.Helper()
	bench := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bench, "../../cmd/bench").CombinedOutput(); err != nil {
		t.Fatalf("build bench: %v\n%s", err, out)
	}
	return bench
}
