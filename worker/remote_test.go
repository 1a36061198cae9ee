package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
	"taskbench/worker/control"
	"taskbench/worker/event"
	"taskbench/worker/result"
)

// A desk is a worker in a bubble, and a client that gives it commands.
type desk struct {
	t      *testing.T
	broker brokers.Broker
	w      startedWorker
	o      *clockWitness
}

// atDesk runs a check in a bubble.
func atDesk(t *testing.T, c Config, o Options, check func(*desk)) {
	synctest.Test(t, func(t *testing.T) {
		e := memorybroker.New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		d := &desk{t: t, broker: b, o: newClockWitness()}
		c.Name, o.Driver, o.Observer = "w@h", inside(e), d.o
		d.w = runWith(t, c, o)
		synctest.Wait()
		check(d)
		d.w.stop()
	})
}

func (d *desk) put(ms ...brokers.Message) {
	d.t.Helper()
	for _, m := range ms {
		if err := d.broker.Publish(d.t.Context(), m); err != nil {
			d.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// ask gives a command and returns the worker's answer.
func (d *desk) ask(method string, args map[string]any) string {
	d.t.Helper()
	replies, err := control.Send(d.t.Context(), d.broker.(brokers.Exchanger), control.Request{Method: method, Args: args, Destination: []string{"w@h"}})
	if err != nil {
		d.t.Fatalf("%s: %v", method, err)
	}
	return string(replies["w@h"])
}

// says checks an answer against a pattern.
func (d *desk) says(method string, args map[string]any, pattern string) {
	d.t.Helper()
	if got := d.ask(method, args); !regexp.MustCompile("^(?s:" + pattern + ")$").MatchString(got) {
		d.t.Errorf("%s %v: %s, want %s", method, args, got, pattern)
	}
}

func TestRemoteControl(t *testing.T) {
	r := ownTasks()
	r.Add("paced", func(context.Context, *Request) (any, error) { return nil, nil }, RateLimit("1/h"))
	b := newMoody()
	atDesk(t, Config{Pool: "goroutine", Concurrency: 2}, Options{Registry: r, Results: b}, func(d *desk) {
		d.says("ping", nil, `\{"ok":"pong"\}`)
		d.put(task("wait", "run", 600_000), task("wait", "run2", 600_000), task("add", "next", 1), dueIn("eta", time.Minute), task("paced", "p1"), task("paced", "p2"))
		d.says("active", nil, `\[\{"id":"run2?",.*"args":\[600000\],.*"type":"wait","hostname":"w@h","time_start":\d+\.\d+,"acknowledged":false,"delivery_info":\{"exchange":"","routing_key":"celery","priority":0,"redelivered":false\},"worker_pid":\d+\},\{.*\]`)
		d.says("active", map[string]any{"safe": true}, `.*"args":"\(600000,\)","kwargs":"\{\}".*`)
		if got := d.ask("reserved", nil); !strings.Contains(got, `"next"`) || strings.Contains(got, `"run"`) || strings.Contains(got, `"eta"`) {
			d.t.Errorf("reserved: %s", got)
		}
		d.says("scheduled", nil, `\[\{"eta":"2000-01-01T00:01:00\+00:00","priority":6,"request":\{"id":"eta".*\}\]`)
		d.says("query_task", map[string]any{"ids": []string{"run", "nobody"}}, `\{"run":\["active",\{.*\}\]\}`)
		d.says("registered", nil, `\["add",.*"paced \[rate_limit=1/h\]",.*\]`)
		if got := d.ask("registered", nil); strings.Contains(got, "celery.") {
			d.t.Errorf("builtin tasks are listed: %s", got)
		}
		d.says("active_queues", nil, `\[\{"name":"celery","exchange":\{"name":"celery","type":"direct".*\}\]`)
		d.says("stats", nil, `\{.*"broker":\{.*"pool":\{.*"max-concurrency":2,.*"prefetch_count":8,.*"rusage":\{.*\}`)
		d.says("report", nil, `\{"ok":".*taskbench.*"\}`)
		d.says("conf", nil, `\{.*"worker_prefetch_multiplier":4.*\}`)
		d.says("clock", nil, `\{"clock":\d+\}`)
		d.says("memsample", nil, `"\d+\.\d+MB"`)
		d.says("heartbeat", nil, `null`)
		d.says("election", nil, `null`)
		d.says("hello", map[string]any{"from_node": "w@h", "revoked": map[string]any{}}, `null`)

		d.says("revoked", nil, `\[\]`) // Flower and Celery's inspect do not expect null
		d.says("revoke", map[string]any{"task_id": []string{"next", "x"}}, `\{"ok":"tasks \{'next', 'x'\} flagged as revoked"\}`)
		d.says("revoked", nil, `\["next","x"\]`)
		d.says("hello", map[string]any{"from_node": "other@h", "revoked": map[string]any{"theirs": []any{1.5, "theirs"}}}, `\{"revoked":\{"next":\[-?\d+\.\d+,"next"\],.*\},"clock":\d+\}`)
		d.says("hello", map[string]any{"from_node": "newest@h", "revoked": []string{"listed"}}, `\{"revoked":\{.*"theirs":.*`) // as Celery 5.7 says it
		d.says("revoked", nil, `.*"listed".*`)
		d.says("revoke", map[string]any{"task_id": "nobody", "terminate": 0, "signal": "SIGTERM"}, `\{"ok":"tasks \{'nobody'\} flagged as revoked"\}`) // as Flower says it
		d.says("revoke", map[string]any{"task_id": "run2", "terminate": 1, "signal": "SIGTERM"}, `\{"ok":"terminate: run2"\}`)
		d.says("revoke", map[string]any{"task_id": "run", "terminate": true, "signal": "SIGKILL"}, `\{"ok":"terminate: run"\}`)
		d.says("terminate", map[string]any{"task_id": "nobody", "signal": "TERM"}, `\{"ok":"terminate: tasks unknown"\}`)
		d.says("revoke", map[string]any{"task_id": "x", "terminate": true, "signal": "SIGNOSUCH"}, `\{"error":"KeyError\('SIGNOSUCH'\)"\}`)
		d.says("revoke_by_stamped_headers", map[string]any{"headers": map[string]any{"k": []string{"v"}}}, `\{"ok":"headers \{'k': \['v'\]\} flagged as revoked, but not terminated"\}`)
		synctest.Wait()
		if got := text(b.record(d.t, "run").Exception); got != "celery.exceptions.TaskRevokedError: terminated" {
			d.t.Errorf("the one that was terminated: %q", got)
		}
		if r := b.record(d.t, "next"); r.State != result.Revoked {
			d.t.Errorf("the one that was revoked while it waited is %s", r.State)
		}

		d.says("rate_limit", map[string]any{"task_name": "paced", "rate_limit": 0}, `\{"ok":"rate limit disabled successfully"\}`)
		d.says("rate_limit", map[string]any{"task_name": "paced", "rate_limit": "10/m"}, `\{"ok":"new rate limit set successfully"\}`)
		d.says("rate_limit", map[string]any{"task_name": "nosuch", "rate_limit": "10/m"}, `\{"error":"unknown task"\}`)
		d.says("rate_limit", map[string]any{"task_name": "paced", "rate_limit": "lots"}, `\{"error":"Invalid rate limit string: .*"\}`)
		synctest.Wait()
		if n := slices.IndexFunc(d.w.active(), func(s sight) bool { return s.task.ID == "p2" }); n >= 0 || d.o.count(Started, 0) < 4 {
			d.t.Errorf("the paced one still waits; %d were started", d.o.count(Started, 0))
		}
		d.says("time_limit", map[string]any{"task_name": "wait", "soft": 2.5, "hard": 5}, `\{"ok":"time limits set successfully"\}`)
		d.says("time_limit", map[string]any{"task_name": "nosuch"}, `\{"error":"unknown task"\}`)
		d.put(task("wait", "limited", 600_000))
		pass(3 * time.Second)
		if got := text(b.record(d.t, "limited").Exception); got != "billiard.exceptions.SoftTimeLimitExceeded" {
			d.t.Errorf("the one with a limit by remote control: %q", got)
		}

		d.says("pool_grow", map[string]any{"n": 2}, `\{"ok":"pool will grow"\}`)
		d.says("stats", nil, `\{.*"max-concurrency":4,.*"prefetch_count":16,.*\}`)
		d.says("pool_shrink", nil, `\{"ok":"pool will shrink"\}`)
		d.says("pool_shrink", map[string]any{"n": 9}, `\{"error":"ValueError\(.*\)"\}`)
		d.says("pool_restart", nil, `\{"error":"ValueError\('Pool restarts not enabled'\)"\}`)
		d.says("autoscale", map[string]any{"max": 5}, `\{"error":"ValueError\('Autoscale not enabled'\)"\}`)
		d.says("nosuch", nil, `\{"error":"KeyError\('nosuch'\)"\}`)

		d.says("add_consumer", map[string]any{"queue": "other"}, `\{"ok":"add consumer other"\}`)
		m := task("add", "elsewhere", 2)
		m.Queue = "other"
		d.put(m)
		if got := string(b.record(d.t, "elsewhere").Value); got != "2" {
			d.t.Errorf("the task on the queue that was added: %q", got)
		}
		d.says("add_consumer", map[string]any{"queue": "third", "exchange": "ex", "exchange_type": "round"}, `\{"error":"ValueError\('the kind .*round.* of an exchange is none of direct, topic and fanout'\)"\}`)
		d.says("cancel_consumer", map[string]any{"queue": "celery"}, `\{"ok":"no longer consuming from celery"\}`)
		d.put(task("add", "stays", 1))
		m.Headers["id"] = "flows"
		d.put(m)
		if a, b := b.record(d.t, "stays").State, b.record(d.t, "flows").State; a != result.Pending || b != result.Success {
			d.t.Errorf("after the queue was cancelled its task is %s; the other queue's is %s", a, b)
		}
		d.says("active_queues", nil, `\[\{"name":"other".*\}\]`)
		if st := d.w.Stats(); st.Reconnects != 0 {
			d.t.Errorf("commands cost %d connections", st.Reconnects)
		}

		_, err := control.Send(d.t.Context(), d.broker.(brokers.Exchanger), control.Request{Method: "shutdown", Cast: true})
		if err != nil {
			d.t.Fatal(err)
		}
		d.put() // it stops by itself
		if !d.w.stopping.Load() {
			d.t.Error("it does not stop")
		}
	})
}

func TestAutoscale(t *testing.T) {
	atDesk(t, Config{Pool: "goroutine", Autoscale: Autoscale{Max: 4, Min: 1}}, Options{}, func(d *desk) {
		if n := d.w.Stats().PoolSize; n != 1 {
			d.t.Errorf("it begins with %d places", n)
		}
		for i := range 6 {
			d.put(task("wait", fmt.Sprint(i), 60_000))
		}
		pass(2 * scaleLook)
		if n := d.w.Stats().PoolSize; n != 4 {
			d.t.Errorf("6 tasks have %d places, want 4", n)
		}
		d.says("autoscale", map[string]any{"max": 5, "min": 2}, `\{"ok":"autoscale now max=5 min=2"\}`)
		d.says("autoscale", map[string]any{"max": 100_000}, `\{"error":"ValueError\(.* from 1 to 16384,.*\)"\}`)
		d.says("pool_grow", nil, `\{"error":"pool_grow is not supported with autoscale.*"\}`)
		d.says("stats", nil, `.*"autoscaler":\{"current":\d,"max":5,"min":2,"qty":6\}.*`)
		pass(2 * scaleLook)
		if n := d.w.Stats().PoolSize; n != 5 {
			d.t.Errorf("with another bound it has %d places, want 5", n)
		}
		pass(2*time.Minute + scaleKeep)
		if n := d.w.Stats().PoolSize; n != 2 {
			d.t.Errorf("idle, it has %d places, want 2", n)
		}
	})
}

func TestEvents(t *testing.T) {
	atDesk(t, Config{Pool: "goroutine", Concurrency: 1}, Options{Registry: ownTasks()}, func(d *desk) {
		var mu sync.Mutex
		var all []map[string]any
		heard, err := d.broker.(brokers.Exchanger).Subscribe(d.t.Context(), brokers.Binding{Exchange: event.Exchange, Key: "#"})
		if err != nil {
			d.t.Fatal(err)
		}
		go func() {
			for m := range heard {
				var one map[string]any
				var many []map[string]any
				if json.Unmarshal(m.Body, &one) == nil {
					many = append(many, one)
				} else if err := json.Unmarshal(m.Body, &many); err != nil {
					d.t.Errorf("an event that is no JSON: %s", m.Body)
				}
				mu.Lock()
				all = append(all, many...)
				mu.Unlock()
			}
		}()
		of := func(id string) (types []string) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range all {
				if e["uuid"] == id {
					types = append(types, strings.TrimPrefix(e["type"].(string), "task-"))
				}
			}
			return types
		}
		d.put(task("noop", "before"))
		d.says("enable_events", nil, `\{"ok":"task events enabled"\}`)
		d.says("enable_events", nil, `\{"ok":"task events already enabled"\}`)
		if err := d.w.revoked.Add("revoked"); err != nil {
			d.t.Fatal(err)
		}
		d.put(task("add", "ok", 1), task("fail", "fail"), task("retry", "retry", 1), task("noop", "revoked"), task("nobody", "unknown"), task("refuse", "refused", false))
		pass(10 * time.Second)
		for id, want := range map[string]string{
			"before": "[]", "ok": "[received started succeeded]", "fail": "[received started failed]", "revoked": "[revoked]", "unknown": "[failed]",
			"retry": "[received started retried received started succeeded]", "refused": "[received started rejected]",
		} {
			if got := fmt.Sprint(of(id)); got != want {
				d.t.Errorf("events of %s: %s, want %s", id, got, want)
			}
		}
		d.says("disable_events", nil, `\{"ok":"task events disabled"\}`)
		d.put(task("add", "after", 1))
		d.w.stop()
		synctest.Wait()
		if got := of("after"); len(got) != 0 {
			d.t.Errorf("events while they are off: %q", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if last := all[len(all)-1]["type"]; last != "worker-offline" {
			d.t.Errorf("the last event is %v", last)
		}
		for _, e := range all {
			if e["type"] == "task-succeeded" && e["uuid"] == "ok" && (e["result"] != "1" || e["runtime"] == nil) {
				d.t.Errorf("succeeded: %v", e)
			}
		}
	})
}

// Who is told that the worker is ready can tell it something: a broadcast that comes before the mailbox is open would
// be lost.
func TestReadyWorkersHearCommands(t *testing.T) {
	const rounds = 50
	heard := 0
	for range rounds {
		synctest.Test(t, func(t *testing.T) {
			e := memorybroker.New()
			defer e.Close()
			b := e.Broker()
			defer b.Close()
			w := runWith(t, Config{Name: "w@h", Pool: "goroutine", Concurrency: 1}, Options{Driver: inside(e), Ready: func() {
				b := e.Broker()
				defer b.Close()
				m := brokers.Message{
					Body:        []byte(`{"method": "revoke", "arguments": {"task_id": "early"}, "destination": ["w@h"]}`),
					ContentType: "application/json", ContentEncoding: "utf-8",
				}
				if err := b.(brokers.Exchanger).Route(t.Context(), brokers.Exchange{Name: "celery.pidbox", Kind: brokers.Fanout}, "", m); err != nil {
					t.Error(err)
				}
			}})
			synctest.Wait()
			if w.revoked.Has("early") {
				heard++
			}
			w.stop()
		})
	}
	if heard != rounds {
		t.Errorf("%d of %d commands to workers that were ready were heard", heard, rounds)
	}
}
