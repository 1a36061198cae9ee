package worker

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/health"
	"taskbench/worker/logging"
)

// onRedis runs a worker on a Redis server of its own, and returns how to send it tasks and what answers for it. Its
// patience is short.
func onRedis(t *testing.T, c Config, patience time.Duration) (server *servertest.Server, w *Worker, send func(...brokers.Message), h http.Handler) {
	t.Helper()
	servertest.Needed(t)
	server = servertest.Launch(t, redis.Driver)
	c.URL, c.Name = server.URL, "w1@lab"
	m := health.NewMetrics("w1@lab")
	w, err := New(c, Options{Registry: testRegistry(), Driver: redis.Driver, Log: testLog(t), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	b, err := redis.Driver.Open(t.Context(), server.URL, redis.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // the server may be gone
	source := w.Health()
	source.Patience = patience
	return server, w, func(all ...brokers.Message) {
		t.Helper()
		for _, message := range all {
			if err := b.Publish(t.Context(), message); err != nil {
				t.Fatal(err)
			}
		}
	}, health.Handler(source, m)
}

// answers waits until an answer is as wanted: with "" it is well.
func answers(t *testing.T, h http.Handler, path, want string) {
	t.Helper()
	var code int
	var text string
	defer func() {
		if t.Failed() {
			t.Logf("%s: %d %s", path, code, text)
		}
	}()
	eventually(t, fmt.Sprintf("%s says %q", path, want), func() bool {
		code, text = ask(t, h, path)
		return want == "" && code == http.StatusOK || want != "" && code == http.StatusServiceUnavailable && strings.Contains(text, want)
	})
}

// numbered are so many messages of a task.
func numbered(n int, name string, args ...any) (all []brokers.Message) {
	for i := range n {
		all = append(all, task(name, fmt.Sprintf("%s-%d", name, i), args...))
	}
	return all
}

func TestHealthAcrossAnOutageOfRedis(t *testing.T) {
	t.Parallel()
	server, _, _, h := onRedis(t, Config{Pool: "prefork", Concurrency: 2}, 0)
	answers(t, h, "/readyz", "")
	server.Kill()
	answers(t, h, "/readyz", "it is not connected to the broker")
	well(t, h, "/healthz", "without the broker")
	if err := server.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers(t, h, "/readyz", "")
	well(t, h, "/healthz", "with the broker again")
}

func TestMetricsAfterTwentyTasks(t *testing.T) {
	t.Parallel()
	_, w, send, h := onRedis(t, Config{Pool: "prefork", Concurrency: 2, Prefetch: 2}, 0)
	send(numbered(17, "noop")...)
	send(numbered(3, "fail")...)
	eventually(t, "all are settled", func() bool { st := w.Stats(); return st.Succeeded == 17 && st.Failed == 3 && st.InHand == 0 })
	send(numbered(6, "wait", 60_000)...) // two run, and at most two more are held
	var text string
	eventually(t, "two run", func() bool {
		_, text = ask(t, h, "/metrics")
		return strings.Contains(text, "celery_worker_tasks_active{hostname=\"w1@lab\"} 2\n")
	})
	for _, want := range []string{
		`celery_task_received_total{hostname="w1@lab",name="noop",queue_name="celery"} 17`,
		`celery_task_started_total{hostname="w1@lab",name="noop",queue_name="celery"} 17`,
		`celery_task_succeeded_total{hostname="w1@lab",name="noop",queue_name="celery"} 17`,
		`celery_task_runtime_count{hostname="w1@lab",name="noop",queue_name="celery"} 17`,
		`celery_task_started_total{hostname="w1@lab",name="fail",queue_name="celery"} 3`,
		`celery_task_succeeded_total{hostname="w1@lab",name="fail",queue_name="celery"} 0`,
		`celery_task_failed_total{exception="Exception",hostname="w1@lab",name="fail",queue_name="celery"} 3`,
		`celery_worker_up{hostname="w1@lab"} 1`,
		`taskbench_worker_slots{hostname="w1@lab"} 2`,
		`celery_queue_length{queue_name="celery"} 4`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	w.Stop(Cold)
}

// The children of a pool are frozen: tasks wait, and nothing starts.
func TestAFrozenPoolHangs(t *testing.T) {
	t.Parallel()
	_, w, send, h := onRedis(t, Config{Pool: "prefork", Concurrency: 2}, 3*pulseEvery)
	answers(t, h, "/readyz", "")
	eventually(t, "both children are there", func() bool { return len(w.Stats().Children) == 2 })
	children := w.Stats().Children
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	send(numbered(4, "noop")...)
	answers(t, h, "/healthz", "and nothing was started for")
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have run", func() bool { return w.Stats().Succeeded == 4 })
	well(t, h, "/healthz", "after the thaw")
}

// Long tasks are no hanging, however many wait behind them; those that do not heed their limit are.
func TestBusyAndStuckPools(t *testing.T) {
	t.Parallel()
	const patience = 3 * pulseEvery
	for _, c := range []struct {
		name string
		soft time.Duration
		want string
	}{
		{"within their limit", time.Minute, ""},
		{"beyond their limit", 100 * time.Millisecond, "all 2 slots are taken by tasks beyond their time limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, w, send, h := onRedis(t, Config{Pool: "prefork", Concurrency: 2, SoftLimit: c.soft}, patience)
			send(numbered(6, "deaf")...)
			eventually(t, "both places are taken", func() bool { return w.health().Busy == 2 })
			if c.want == "" {
				tick := time.NewTicker(patience / 30)
				defer tick.Stop()
				for since := time.Now(); time.Since(since) < 2*patience; <-tick.C {
					well(t, h, "/healthz", "while tasks are long")
				}
			}
			answers(t, h, "/healthz", c.want)
			w.Stop(Cold)
		})
	}
}

// shared is a log's text, which other goroutines write.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Each module has its level, and what a task prints in a child is logged with the task.
func TestLevelsAndOutputOfTasks(t *testing.T) {
	levels, err := logging.ParseLevels("error,task=info")
	if err != nil {
		t.Fatal(err)
	}
	var text shared
	s := newFake()
	s.put(task("print", "id-1"), task("panic", "id-2"))
	c := Config{Pool: "prefork", Concurrency: 1, Capture: true}
	w, err := New(c, Options{Registry: testRegistry(), Driver: s.driver(), Log: logging.New(&text, logging.JSON, levels)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	eventually(t, "both have run", func() bool { return s.left() == 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	got := text.String()
	for _, want := range []string{`"module":"task","task":"print","id":"id-1"`, `"line":"hello"`, `"msg":"task panicked","module":"worker"`} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(got, `"msg":"consuming"`) {
		t.Error("the worker logs below its level")
	}
	if t.Failed() {
		t.Log(got)
	}
}
