package trial_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
	"taskbench/worker"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// TestHeadersOfWrongTypes: whatever stands in whichever header, the message is run or kept aside, and told of as what
// it was. The worker does not mind.
func TestHeadersOfWrongTypes(t *testing.T) {
	headers := []string{
		"lang", "task", "id", "root_id", "parent_id", "group", "group_index", "retries", "eta", "expires", "timelimit", "argsrepr",
		"kwargsrepr", "origin", "shadow", "ignore_result", "stamps", "stamped_headers", "compression", "meth", "replaced_task_nesting",
		"periodic_task_name", "redelivered", "x-taskbench-deaths", "x-taskbench-returns", "x-taskbench-once", "x-taskbench-apply",
	}
	values := []any{
		nil, true, 0, -1, int64(math.MinInt64), 1.5, math.MaxFloat64, "", "x", strings.Repeat("x", 10_000), "\x00\xff", []any{}, []any{nil, -1, "x", []any{}},
		map[string]any{}, map[string]any{"": nil, "a": []any{1}}, map[string]any{"__type__": "datetime", "__value__": 7},
	}
	for _, s := range servers(t) {
		t.Run(s.name(), func(t *testing.T) {
			a := newArena(t, s)
			sent := uint64(0)
			for i, h := range headers {
				for j, v := range values {
					m := task(a.queue, "noop", fmt.Sprintf("%s.%d.%d", a.queue, i, j), nil, nil)
					m.Headers[h] = v
					if err := a.broker.Publish(t.Context(), m); err != nil {
						if !brokers.Definite(err) {
							t.Fatal(err)
						}
						continue // what this broker does not carry cannot come
					}
					sent++
				}
			}
			ended := func() uint64 {
				st := a.worker.Stats()
				return st.Succeeded + st.Malformed + st.Expired + st.Revoked
			}
			took, ok := comes(time.Minute, func() bool { return ended() == sent && a.worker.Stats().InHand == 0 })
			st := a.worker.Stats()
			if !ok {
				t.Fatalf("%d were sent, %d have ended: %+v", sent, ended(), st)
			}
			a.good(t)
			if n := a.dead(t); uint64(n) != st.Malformed || n == 0 {
				t.Errorf("%d are kept aside, and %d are counted", n, st.Malformed)
			}
			if n := leftIn(t, a.broker, a.queue); n > 0 || st.Reconnects > 0 || st.Failed > 0 {
				t.Errorf("%d are left, %d reconnects, %d failed", n, st.Reconnects, st.Failed)
			}
			t.Logf("%d messages took %v: %d done, %d kept aside", sent, took.Round(time.Millisecond), st.Succeeded, st.Malformed)
		})
	}
}

// Results whose server is down hold up the tasks that have some, and nothing else; all are kept once it is back.
func TestResultsAreDown(t *testing.T) {
	servertest.Needed(t)
	s := swift(t)
	if _, err := redis.Open(t.Context(), fmt.Sprintf("redis://127.0.0.1:%d/0", servertest.FreePort(t)), result.Options{}); err == nil {
		t.Error("results were opened where nobody is")
	}
	down := servertest.Launch(t, s.driver)
	queue, b := queueOf(t)+fmt.Sprint(time.Now().UnixNano()), s.open(t)
	w := start(t, s, worker.Config{Pool: "prefork", Concurrency: 2, Prefetch: 8, Queues: []string{queue}}, worker.Options{Results: resultsAt(t, down.URL)})
	down.Kill()
	for i := range 4 {
		publish(t, b, task(queue, "echo", fmt.Sprintf("%s.%d", queue, i), []any{i}, nil))
	}
	for i := range 20 {
		m := task(queue, "noop", fmt.Sprintf("%s.quiet.%d", queue, i), nil, nil)
		m.Headers["ignore_result"] = true
		publish(t, b, m)
	}
	within(t, time.Minute, "tasks without results are done meanwhile", func() bool { return w.Stats().Succeeded == 24 && w.Stats().InHand == 4 })
	if err := down.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := within(t, time.Minute, "all is settled", func() bool { return leftIn(t, b, queue) == 0 && w.Stats().InHand == 0 })
	after := resultsAt(t, down.URL)
	for i := range 4 {
		if r, err := after.Get(context.Background(), fmt.Sprintf("%s.%d", queue, i)); err != nil || r.State != result.Success {
			t.Errorf("the result of task %d is %s (%v)", i, r.State, err)
		}
	}
	t.Logf("results were kept %v after their server was back", took.Round(time.Millisecond))
}

// TestHugeBody: a body of 100 MiB is run like any other, and what comes after it, too. It has a queue and a worker of
// its own: on a busy machine its way alone takes a while.
func TestHugeBody(t *testing.T) {
	for _, s := range servers(t) {
		t.Run(s.name(), func(t *testing.T) {
			queue, b, kept := fmt.Sprintf("%s.%d", queueOf(t), time.Now().UnixNano()), s.open(t), results(t)
			w := start(t, s, worker.Config{Pool: "prefork", Concurrency: 2, Queues: []string{queue}}, worker.Options{Results: kept})
			m := task(queue, "size", queue, []any{strings.Repeat("x", thorough(100, 10)<<20)}, nil)
			began := time.Now()
			if err := b.Publish(t.Context(), m); err != nil {
				t.Logf("published again, since nobody knows whether it was: %v", err)
				publish(t, b, m)
			}
			publish(t, b, task(queue, "echo", queue+".next", []any{1}, nil))
			within(t, time.Minute, "both tasks are done", func() bool {
				for _, id := range []string{queue, queue + ".next"} {
					if r, err := kept.Get(context.Background(), id); err != nil || r.State != result.Success {
						return false
					}
				}
				return true
			})
			t.Logf("both were done after %v, with %d reconnects", time.Since(began).Round(time.Millisecond), w.Stats().Reconnects)
		})
	}
}
