package worker

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/health"
	"taskbench/worker/pool"
)

// watched starts a worker that counts, and returns what answers for it.
func watched(t *testing.T, s *fakeServer, c Config) (startedWorker, http.Handler) {
	t.Helper()
	m := health.NewMetrics("w1@lab")
	c.Name = "w1@lab"
	w := beginWith(t, s, c, Options{Metrics: m})
	return w, health.Handler(w.Health(), m)
}

// ask is what an orchestrator does.
func ask(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	text, _ := io.ReadAll(r.Body) // from memory
	return r.Code, string(text)
}

// well and unwell fail the test where an answer is another.
func well(t *testing.T, h http.Handler, path, when string) {
	t.Helper()
	if code, text := ask(t, h, path); code != http.StatusOK {
		t.Errorf("%s %s: %d %s", path, when, code, text)
	}
}

func unwell(t *testing.T, h http.Handler, path, when, want string) {
	t.Helper()
	if code, text := ask(t, h, path); code != http.StatusServiceUnavailable || !strings.Contains(text, want) {
		t.Errorf("%s %s: %d %s; want 503 and %q", path, when, code, text, want)
	}
}

func TestIdleAndBusyWorkersDoNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		w, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 2, Prefetch: 8})
		for range 20 {
			pass(30 * time.Second)
			well(t, h, "/healthz", "of an idle worker")
			well(t, h, "/readyz", "of an idle worker")
		}
		for _, id := range []string{"a", "b", "c", "d"} {
			s.put(task("wait", id, int(10*time.Minute/time.Millisecond)))
		}
		for range 19 {
			pass(time.Minute)
			well(t, h, "/healthz", "of a busy worker whose tasks are long")
		}
		pass(2 * time.Minute)
		if st := w.Stats(); st.Succeeded != 4 {
			t.Errorf("%d tasks succeeded, want 4", st.Succeeded)
		}
	})
}

// A task that is due later, or that the rate limit holds back, is no sign of anything.
func TestWorkThatIsNotToBeStartedYetDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		_, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 2, RateLimit: "1/h"})
		s.put(dueIn("later", time.Hour), task("noop", "1"), task("noop", "2"), task("noop", "3"))
		for range 10 {
			pass(time.Minute)
			well(t, h, "/healthz", "while tasks wait for their time")
		}
	})
}

func TestTasksBeyondTheirLimitsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		for _, id := range []string{"a", "b"} {
			s.put(task("nap", id, int(10*time.Minute/time.Millisecond))) // it does not heed its context
		}
		_, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 2, SoftLimit: 4 * time.Minute})
		pass(4*time.Minute + 29*time.Second)
		well(t, h, "/healthz", "while tasks may still heed their limit")
		pass(2 * time.Second)
		unwell(t, h, "/healthz", "with every place taken for good", "all 2 slots are taken by tasks beyond their time limit")
		well(t, h, "/readyz", "of a worker that is connected")
		pass(6 * time.Minute)
		well(t, h, "/healthz", "once the tasks have ended")
	})
}

func TestAStandingLoopHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		released := make(chan struct{})
		s.fail = func(step string, _ bool) bool {
			if step == "prefetch" {
				<-released
			}
			return false
		}
		_, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 1})
		pass(time.Minute)
		s.put(dueIn("a", time.Hour)) // for which the prefetch is raised
		pass(25 * time.Second)
		well(t, h, "/healthz", "a moment after")
		pass(10 * time.Second)
		unwell(t, h, "/healthz", "later", "hung: the loop that starts tasks when they are due has not turned for 3")
		well(t, h, "/readyz", "of a worker that is connected")
		close(released)
		pass(time.Second)
		well(t, h, "/healthz", "once it turns again")
	})
}

func TestReadyFollowsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		var down atomic.Bool
		down.Store(true)
		s.fail = func(step string, _ bool) bool { return down.Load() && step == "open" }
		w, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 1})
		pass(time.Minute)
		unwell(t, h, "/readyz", "before the broker is there", "not connected to the broker")
		well(t, h, "/healthz", "before the broker is there")
		down.Store(false)
		pass(time.Minute)
		well(t, h, "/readyz", "with the broker")
		down.Store(true)
		s.dropAll()
		pass(time.Hour)
		unwell(t, h, "/readyz", "without the broker", "not connected to the broker")
		well(t, h, "/healthz", "without the broker for an hour")
		down.Store(false)
		pass(time.Minute)
		well(t, h, "/readyz", "with the broker again")
		if err := w.DropQueue(brokers.DefaultQueue); err != nil {
			t.Fatal(err)
		}
		unwell(t, h, "/readyz", "without a queue", "does not consume")
		w.stop()
		unwell(t, h, "/readyz", "after the stop", "it is stopping")
	})
}

// A stop may take as long as it likes.
func TestALongStopDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.put(task("wait", "a", int(10*time.Minute/time.Millisecond)))
		w, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 1})
		pass(time.Second)
		stopped := make(chan struct{})
		go func() { w.stop(); close(stopped) }()
		for range 9 {
			pass(time.Minute)
			well(t, h, "/healthz", "while its task ends")
			unwell(t, h, "/readyz", "while its task ends", "stopping")
		}
		<-stopped
	})
}

// idlePool is a pool that has room and starts nothing.
type idlePool struct{ pool.Pool }

func (idlePool) Run(ctx context.Context, _ *pool.Job) pool.Result {
	<-ctx.Done()
	return pool.Result{}
}

func TestAPoolThatStartsNothingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		w, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 2})
		pass(time.Second)
		var p pool.Pool = idlePool{*w.pool.Load()}
		w.pool.Store(&p)
		s.put(task("noop", "a"))
		pass(29 * time.Second)
		well(t, h, "/healthz", "a moment after")
		pass(3 * time.Second)
		unwell(t, h, "/healthz", "later", "1 tasks wait, 2 of 2 slots are free, and nothing was started for 3")
	})
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		_, h := watched(t, s, Config{Pool: "goroutine", Concurrency: 2})
		for _, id := range []string{"1", "2", "3"} {
			s.put(task("noop", id))
		}
		old := task("noop", "old")
		old.Headers["expires"] = time.Now().Add(-time.Hour).Format(time.RFC3339)
		s.put(task("fail", "f"), task("retry", "r", 2), task("stranger", "s"), old)
		pass(time.Minute)
		_, text := ask(t, h, "/metrics")
		for _, want := range []string{
			`received_total{hostname="w1@lab",name="noop",queue_name="celery"} 4`,
			`started_total{hostname="w1@lab",name="noop",queue_name="celery"} 3`,
			`succeeded_total{hostname="w1@lab",name="noop",queue_name="celery"} 3`,
			`revoked_total{hostname="w1@lab",name="noop",queue_name="celery"} 1`,
			`retried_total{hostname="w1@lab",name="retry",queue_name="celery"} 2`,
			`started_total{hostname="w1@lab",name="retry",queue_name="celery"} 3`,
			`failed_total{exception="Exception",hostname="w1@lab",name="fail",queue_name="celery"} 1`,
			`failed_total{exception="NotRegistered",hostname="w1@lab",name="stranger",queue_name="celery"} 1`,
			`celery_task_runtime_count{hostname="w1@lab",name="noop",queue_name="celery"} 3`,
			`celery_worker_tasks_active{hostname="w1@lab"} 0`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
		if t.Failed() {
			t.Log(text)
		}
	})
}
