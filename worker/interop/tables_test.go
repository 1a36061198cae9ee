package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/servertest"
	"taskbench/worker"
	"taskbench/worker/interop"
)

// A kept broker is a database whose kombu variant shares its tables with Celery's own transport. There is no remote
// control over any: SQLAlchemy's has no fanout, and MongoDB's needs tailable cursors, which FerretDB does not have.
type kept struct {
	broker string
	launch func(t *testing.T, d brokers.Driver) (url string)
	once   bool                    // one server does for both Celeries
	celery func(url string) string // the same place, as Celery spells it
}

var keptBrokers = []kept{
	{"postgres:kombu", launched, false, func(url string) string {
		return strings.Replace(url, "postgresql:", "sqla+postgresql+psycopg2:", 1)
	}},
	{"mysql:kombu", launched, false, func(url string) string {
		return strings.Replace(url, "mysql:", "sqla+mysql+pymysql:", 1) + "?charset=utf8mb4"
	}},
	{"sqlite:kombu", func(t *testing.T, d brokers.Driver) string { return d.Server.URL(t.TempDir()) }, false, func(url string) string {
		return strings.Replace(url, "sqlite://", "sqla+sqlite:///", 1)
	}},
	{"mongodb:kombu", ferret, true, func(url string) string { return url }},
}

func launched(t *testing.T, d brokers.Driver) string { return servertest.Launch(t, d).URL }

// ferret starts FerretDB, which is built first.
func ferret(t *testing.T, d brokers.Driver) string {
	at := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	url, binary, dir := d.Server.URL(at), servertest.FerretDB(t), t.TempDir()
	servertest.Start(t, url, func() *exec.Cmd {
		return exec.Command(binary, at, dir)
	}, func(ctx context.Context) error {
		_, err := d.Server.Ready(ctx, url)
		return err
	})
	return url
}

// Real Celery publishes and ours works, and the other way round, over each transport that is a database, with the
// newest Celery and 5.2. For the newest, Celery makes the tables; for the other one they are ours.
func TestTransportsInDatabases(t *testing.T) {
	t.Parallel()
	installed := celeries(t)
	for _, k := range keptBrokers {
		t.Run(k.broker, func(t *testing.T) {
			t.Parallel()
			d, v, err := all.Find(k.broker)
			if err != nil {
				t.Fatal(err)
			}
			url := ""
			if k.once {
				url = k.launch(t, d)
			}
			for _, celery := range installed {
				t.Run(celery.Name, func(t *testing.T) {
					t.Parallel()
					own := url
					if !k.once {
						own = k.launch(t, d)
					}
					c := keptCourt(t, celery, d, v, own, k.celery(own))
					c.talk(t, celery.Name == "newest" && d.Name == "mysql")
				})
			}
		})
	}
}

// keptCourt opens both sides' clients: Celery's first where it is the newest.
func keptCourt(t *testing.T, celery interop.Celery, d brokers.Driver, v brokers.Variant, url, theirs string) *court {
	t.Helper()
	redis, err := openSite(brokersTried[0])
	if err != nil {
		t.Fatal(err)
	}
	c := &court{
		Celery: celery, name: d.Name + "-" + celery.Name, dir: t.TempDir(), deaf: true,
		site: &site{driver: d, variant: v, server: &interop.Server{URL: url}, backend: redis.server.URL},
	}
	if err := interop.Unpack(c.dir); err != nil {
		t.Fatal(err)
	}
	c.app = interop.App{Dir: c.dir, Broker: theirs, Backend: redis.server.URL, Queue: "kept-" + c.name, Conf: map[string]any{
		"worker_enable_remote_control": false, "worker_send_task_events": false, "task_send_sent_event": false,
	}}
	if celery.Name != "newest" {
		b, err := d.Open(soon(t), url, v)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if c.python, err = celery.Client(soon(t), c.app, filepath.Join(c.dir, "client.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.python.Close)
	err = c.ask(soon(t), c.app.Queue, "", `
with app.connection_for_write() as connection:
    connection.SimpleQueue("first").put("made")
return True`, `true`)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// large is a task that is more than a block of any database takes, and less than what MySQL's TEXT does.
var large = strings.Repeat("x", 100<<10)

// talk holds a worker of each side against the other side's client, and both to one queue. Where Celery has made MySQL's
// tables, a message has 64 KiB at most.
func (c *court) talk(t *testing.T, short bool) {
	mixed := "mixed-" + c.name
	theirs, err := c.startTheirs("theirs", "theirs-"+c.name, "-Q", "theirs-"+c.name+","+mixed, "-P", "solo",
		"--without-gossip", "--without-mingle", "--without-heartbeat")
	c.with(t, theirs, err)
	ours, err := c.startOurs(worker.Config{Name: "ours@" + c.name, Pool: "goroutine", Concurrency: 1, Queues: []string{"ours-" + c.name, mixed}})
	c.with(t, ours, err)
	one := c.caller(t, theirs)
	t.Run("sides", func(t *testing.T) {
		for _, a := range callAsks {
			if slices.Contains([]string{"plain", "kwargs", "unicode", "eta", "error"}, a.name) {
				t.Run("celery calls/"+a.name, func(t *testing.T) {
					t.Parallel()
					judge(t, c.name+" calls us "+a.name, c.ask(soon(t), ours.queue, ours.node, a.code, a.want))
				})
			}
		}
		for _, call := range sends {
			if slices.Contains([]string{"plain", "kwargs", "unicode", "countdown", "error"}, call.name) {
				t.Run("we call/"+call.name, func(t *testing.T) {
					t.Parallel()
					judge(t, c.name+" is called "+call.name, call.do(soon(t), one))
				})
			}
		}
		t.Run("large", func(t *testing.T) {
			t.Parallel()
			judge(t, c.name+" large", c.large(soon(t), one, ours, short))
		})
	})
	t.Run("mixed", func(t *testing.T) { judge(t, c.name+" mixed", c.shareOne(t.Context(), mixed)) })
}

// with has a worker end with the test.
func (c *court) with(t *testing.T, p *party, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.process.Stop(0) })
}

func (c *court) large(ctx context.Context, one *caller, ours *party, short bool) error {
	r, err := one.Delay(ctx, "lab.length", large)
	if short {
		if !brokers.Definite(err) || !strings.Contains(err.Error(), "is larger than 65535") {
			return fmt.Errorf("what Celery's column cannot take: %w", err)
		}
		return nil
	}
	if err := becomes(ctx, r, err, fmt.Sprint(len(large))); err != nil {
		return fmt.Errorf("ours to Celery's: %w", err)
	}
	return c.ask(ctx, ours.queue, ours.node, fmt.Sprintf(`return length.delay("x" * %d).get(timeout=60)`, len(large)), fmt.Sprint(len(large)))
}

// shareOne has workers of both sides take from one queue: every task is done once, and both take part.
func (c *court) shareOne(ctx context.Context, queue string) error {
	const tasks = 120
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	raw, err := c.python.Do(ctx, queue, `
import collections
ids = [who.delay(0.03).id for _ in range(TASKS)]
return collections.Counter(value(id, 50) for id in ids)`, map[string]any{"TASKS": tasks})
	var counts map[string]int
	if err == nil {
		err = json.Unmarshal(raw, &counts)
	}
	if err == nil && (counts["go"]+counts["python"] != tasks || counts["go"] == 0 || counts["python"] == 0) {
		err = fmt.Errorf("%d tasks were done by %v", tasks, counts)
	}
	b, openErr := c.driver.Open(ctx, c.server.URL, c.variant)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	defer b.Close()
	if left, _, depthErr := b.(brokers.Inspector).Depth(ctx, queue); left != 0 || depthErr != nil {
		err = errors.Join(err, fmt.Errorf("%d tasks are left (%w)", left, depthErr))
	}
	return err
}
