package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/worker"
	"taskbench/worker/interop"
	"taskbench/worker/route"
)

// A site is one server with what the tests of all Celery versions share on it.
type site struct {
	driver  brokers.Driver
	variant brokers.Variant
	server  *interop.Server
	backend string // of results: RabbitMQ's are on Redis, as rpc knows no chords
}

// A court is one Celery on one broker: its client, and the workers of both sides.
type court struct {
	interop.Celery
	*site
	name   string
	app    interop.App // of its client
	dir    string
	python *interop.Python
	deaf   bool // there is no remote control over its broker
	brief  bool // results are kept without what their tasks were called with

	mu      sync.Mutex
	workers map[string]*party
}

// A party is one worker, of Celery's or ours.
type party struct {
	node, queue string
	process     *interop.Process
}

var shared struct {
	sync.Mutex
	sites  map[string]func() (*site, error)
	courts map[string]func() (*court, error)
}

// brokersTried are those of the tests.
var brokersTried = []string{"redis:memory", "rabbitmq:classic"}

// eachCourt runs a test on every Celery and broker, all at once.
func eachCourt(t *testing.T, test func(t *testing.T, c *court)) {
	eachCourtOf(t, func(interop.Celery) bool { return true }, test)
}

// eachCourtOf runs it on those that are meant.
func eachCourtOf(t *testing.T, meant func(interop.Celery) bool, test func(t *testing.T, c *court)) {
	t.Parallel()
	for _, broker := range brokersTried {
		for _, c := range slices.DeleteFunc(celeries(t), func(c interop.Celery) bool { return !meant(c) }) {
			driver, _, err := all.Find(broker)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(driver.Name+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				court, err := openCourt(broker, c)
				if err != nil {
					t.Fatal(err)
				}
				test(t, court)
			})
		}
	}
}

// openCourt makes a court, or returns the one that was made.
func openCourt(broker string, c interop.Celery) (*court, error) {
	name := broker + " " + c.Name
	shared.Lock()
	if shared.courts == nil {
		shared.courts = map[string]func() (*court, error){}
	}
	once := shared.courts[name]
	if once == nil {
		once = sync.OnceValues(func() (*court, error) { return newCourt(broker, c) })
		shared.courts[name] = once
	}
	shared.Unlock()
	return once()
}

func openSite(broker string) (*site, error) {
	shared.Lock()
	if shared.sites == nil {
		shared.sites = map[string]func() (*site, error){}
	}
	once := shared.sites[broker]
	if once == nil {
		once = sync.OnceValues(func() (*site, error) { return newSite(broker) })
		shared.sites[broker] = once
	}
	shared.Unlock()
	return once()
}

const startPatience = 2 * time.Minute // many start at once

func newSite(broker string) (*site, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	d, v, err := all.Find(broker)
	if err != nil {
		return nil, err
	}
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	s := &site{driver: d, variant: v}
	if s.server, err = interop.Serve(ctx, d, v, dir); err != nil {
		return nil, err
	}
	atEnd(s.server.Close)
	s.backend = s.server.URL
	if d.Name != "redis" {
		redis, err := openSite(brokersTried[0])
		if err != nil {
			return nil, err
		}
		s.backend = redis.server.URL
	}
	return s, nil
}

// scratch makes a directory that is removed after all tests.
func scratch() (string, error) {
	dir, err := os.MkdirTemp("", "taskbench-interop-")
	if err == nil {
		atEnd(func() { _ = os.RemoveAll(dir) })
	}
	return dir, err
}

func newCourt(broker string, celery interop.Celery) (*court, error) {
	site, err := openSite(broker)
	if err != nil {
		return nil, err
	}
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	if err := interop.Unpack(dir); err != nil {
		return nil, err
	}
	c := &court{Celery: celery, site: site, name: site.driver.Name + "-" + celery.Name, dir: dir, workers: map[string]*party{}}
	c.app = interop.App{Dir: dir, Broker: site.server.URL, Backend: site.backend, Queue: "client-" + c.name, Conf: map[string]any{
		"accept_content": []string{"json", "msgpack", "yaml"},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	if c.python, err = celery.Client(ctx, c.app, filepath.Join(dir, "client.log")); err != nil {
		return nil, err
	}
	atEnd(c.python.Close)
	return c, nil
}

// theirs is a worker of Celery's, started at its first use and the test's own by its purpose.
func (c *court) theirs(t *testing.T, purpose string) *party {
	return c.worker(t, "celery-"+purpose, func(name string) (*party, error) { return c.startTheirs(name, name+"-"+c.name) })
}

// ours is a worker of ours, likewise.
func (c *court) ours(t *testing.T, pool, purpose string) *party {
	return c.worker(t, "ours-"+pool+"-"+purpose, func(name string) (*party, error) {
		return c.startOurs(worker.Config{
			Name: name + "@" + c.name, Pool: pool, Concurrency: 8, TrackStarted: true, ResultExtended: !c.brief, SendEvents: true,
			Queues: []string{name + "-" + c.name},
		})
	})
}

func (c *court) worker(t *testing.T, name string, start func(name string) (*party, error)) *party {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.workers[name]; p != nil {
		return p
	}
	p, err := start(name)
	if err != nil {
		t.Fatal(err)
	}
	atEnd(func() { p.process.Stop(0) })
	c.workers[name] = p
	return p
}

// startTheirs starts one of Celery's workers and waits until it takes tasks.
func (c *court) startTheirs(name, queue string, args ...string) (*party, error) {
	app := c.app
	app.Queue = queue
	p := &party{node: name + "@" + c.name, queue: queue}
	var err error
	args = append([]string{"-c", "8", "-Q", queue}, args...)
	if p.process, err = c.Worker(app, p.node, filepath.Join(c.dir, name+".log"), args...); err != nil {
		return nil, err
	}
	return p, c.ready(p)
}

func (c *court) ready(p *party) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	err := p.process.Ready(ctx)
	if err != nil {
		p.process.Stop(0)
	}
	return err
}

// launchOurs starts one of our workers, and does not wait for it.
func (c *court) launchOurs(config worker.Config) (*interop.Process, error) {
	config.Routes = []route.Rule{{Task: "*", Queue: config.Queues[0]}}
	config.Broker, config.Variant, config.URL = c.driver.Name, c.variant.Name, c.server.URL
	text, err := json.Marshal(setting{Config: config, Results: c.backend})
	if err != nil {
		return nil, err
	}
	return interop.Start(os.Args[:1], append(os.Environ(), workerEnv+"="+string(text)), c.dir, filepath.Join(c.dir, config.Name+".log"))
}

// startOurs starts one of our workers and waits until it takes tasks.
func (c *court) startOurs(config worker.Config) (*party, error) {
	p, err := c.launchOurs(config)
	if err != nil {
		return nil, err
	}
	o := &party{node: config.Name, queue: config.Queues[0], process: p}
	if err := c.ready(o); err != nil {
		return nil, err
	}
	if c.deaf {
		return o, nil
	}
	// Ours takes tasks at once, and remote control a moment later; Celery's comes up the other way round.
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	return o, c.ask(ctx, o.queue, o.node, `return wait(lambda: app.control.ping(destination=[NODE], timeout=1))[0][NODE]`, `{"ok": "pong"}`)
}

// ask runs Python whose tasks go to the queue, with NODE and QUEUE to name its worker, and compares what it returns.
func (c *court) ask(ctx context.Context, queue, node, code, want string) error {
	got, err := c.python.Do(ctx, queue, code, map[string]any{"NODE": node, "QUEUE": queue})
	if err != nil {
		return err
	}
	return same(got, want)
}

// same compares JSON with JSON.
func same(got json.RawMessage, want string) error {
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		return fmt.Errorf("%w: %.300s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return err
	}
	gotText, _ := json.Marshal(g)
	wantText, _ := json.Marshal(w)
	if string(gotText) != string(wantText) {
		return fmt.Errorf("got %.500s, want %s", gotText, wantText)
	}
	return nil
}
