package interop_test

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/brokers/mongodb"
	"taskbench/brokers/servertest"
	"taskbench/worker/client"
	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/all"
)

// Results that are kept elsewhere than in Redis, read and written by both sides.
func TestOtherBackends(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		t.Run("sql", func(t *testing.T) {
			t.Parallel()
			c.keptIn(t, "sql", "db+sqlite:///"+filepath.Join(c.dir, "results.db"))
		})
		if c.driver.Name == "redis" { // one broker will do
			t.Run("mysql", func(t *testing.T) {
				t.Parallel()
				c.keptIn(t, "mysql", strings.Replace(servertest.MariaDB(t).URL, "mysql", "db+mysql+pymysql", 1)+"?charset=utf8mb4")
			})
			t.Run("postgresql", func(t *testing.T) {
				t.Parallel()
				c.keptIn(t, "postgresql", strings.Replace(servertest.Postgres(t).URL, "postgresql", "db+postgresql+psycopg2", 1))
			})
			t.Run("mongodb", func(t *testing.T) {
				t.Parallel()
				c.keptIn(t, "mongodb", ferret(t, mongodb.Driver)+"kept")
			})
		}
		if c.driver.Name == "rabbitmq" {
			t.Run("rpc", func(t *testing.T) {
				t.Parallel()
				c.keptIn(t, "rpc", "rpc://")
			})
		}
	})
}

// keptIn has each side's client read the results of each side's worker.
func (c *court) keptIn(t *testing.T, name, url string) {
	other := &court{Celery: c.Celery, site: &site{driver: c.driver, variant: c.variant, server: c.server, backend: url},
		name: name + "-" + c.name, dir: c.dir, app: c.app, workers: map[string]*party{}}
	other.app.Backend, other.app.Serial = url, true
	if name == "mongodb" { // FerretDB takes no list in a list, which is what the body of a chord is called with
		other.brief = true
		other.app.Conf = maps.Clone(other.app.Conf)
		other.app.Conf["result_extended"] = false
	}
	open := func(t *testing.T) {
		python, err := c.Client(soon(t), other.app, filepath.Join(c.dir, "client-"+name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(python.Close)
		other.python = python
	}
	open(t)
	workers := map[string]*party{"celery": other.theirs(t, name), "ours": other.ours(t, "prefork", name)}
	asks := map[string][2]string{
		"plain":     {`return add.delay(2, 3).get(timeout=60)`, `5`},
		"error":     {`return caught(lambda: fail.delay("bööm").get(timeout=60))`, `["ValueError", "bööm"]`},
		"retry":     {`return again.delay(2).get(timeout=60)`, `2`},
		"traceback": {`r = fail.delay("boom")` + "\n" + `caught(lambda: r.get(timeout=60))` + "\n" + `return "boom" in r.traceback`, `true`},
		"group":     {`return group(add.s(i, i) for i in range(5)).apply_async().get(timeout=60)`, `[0, 2, 4, 6, 8]`},
		"chord":     {`return chord(add.s(i, i) for i in range(10))(xsum.s()).get(timeout=60)`, `90`},
	}
	for whose, p := range workers {
		for what, a := range asks {
			if what == "retry" && whose == "celery" { // its client may show a state beside another's result
				continue
			}
			if what == "chord" && (name == "rpc" || c.Name == "debian") { // there are none; and 5.2 waits in vain for its own worker's
				continue
			}
			t.Run(whose+"/"+what, func(t *testing.T) {
				if name == "rpc" {
					open(t) // Celery's client gets the results of one call this way, and waits in vain for the next
				}
				judge(t, name+" "+whose+" "+what, other.ask(soon(t), p.queue, p.node, a[0], a[1]))
			})
		}
		t.Run(whose+"/our client", func(t *testing.T) {
			judge(t, name+" "+whose+" our client", other.read(soon(t), p))
		})
	}
}

// read has our client call a worker and read its results.
func (c *court) read(ctx context.Context, p *party) error {
	b, err := c.driver.Open(ctx, c.server.URL, c.variant)
	if err != nil {
		return err
	}
	defer b.Close()
	results, err := all.Open(ctx, c.backend, result.Options{Broker: b})
	if err != nil {
		return err
	}
	defer results.Close()
	one := client.New(b, client.WithResults(results))
	r, err := one.Apply(ctx, "lab.add", []any{2, 3}, nil, message.Options{Queue: p.queue})
	if err := becomes(ctx, r, err, `5`); err != nil {
		return err
	}
	r, err = one.Apply(ctx, "lab.fail", []any{"boom"}, nil, message.Options{Queue: p.queue})
	return fails(ctx, r, err, result.Failure, "ValueError", `["boom"]`)
}
