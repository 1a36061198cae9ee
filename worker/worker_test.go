package worker

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/route"
)

func TestEveryPoolRunsEveryTask(t *testing.T) {
	for _, pool := range Pools() {
		for _, acks := range []AckPolicy{Early, Late} {
			t.Run(pool+"/"+string(acks), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "diary")
				t.Setenv(diaryEnv, path)
				s := newFake()
				var ids []string
				for i := range 50 {
					id := fmt.Sprintf("id-%d", i)
					ids = append(ids, id)
					s.put(task("noop", id))
				}
				c := Config{Pool: pool, Acks: acks}
				if pool != "solo" {
					c.Concurrency = 3
				}
				w := begin(t, s, c, openDiary(path))
				eventually(t, "all tasks are acknowledged", func() bool { return s.left() == 0 })
				w.stop()
				order := map[string][]EventKind{}
				attempts := map[uint64]bool{}
				for _, n := range readDiary(t, path) {
					order[n.ID] = append(order[n.ID], n.Kind)
					attempts[n.Attempt] = true
				}
				want := []string{"received started finished acked"}
				if acks == Early {
					want = []string{"received started acked finished"}
				}
				if acks == Early && (pool == "prefork" || pool == "green") { // the child runs on while the parent acknowledges
					want = append(want, "received started finished acked")
				}
				for _, id := range ids {
					if got := kindNames(order[id]); !slices.Contains(want, got) {
						t.Errorf("task %s went %q, want %q", id, got, want)
					}
				}
				if len(attempts) != len(ids) {
					t.Errorf("%d attempt numbers for %d attempts", len(attempts), len(ids))
				}
				if st := w.Stats(); st.Received != 50 || st.Started != 50 || st.Succeeded != 50 || st.InHand != 0 {
					t.Errorf("stats %+v", st)
				}
			})
		}
	}
}

func TestOutcomes(t *testing.T) {
	for _, pool := range []string{"goroutine", "prefork"} {
		t.Run(pool, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diary")
			t.Setenv(diaryEnv, path)
			s := newFake()
			limited := task("wait", "limited", 60_000)
			limited.Headers["timelimit"] = []any{nil, 0.02}
			s.put(task("noop", "good"), task("fail", "bad"), task("panic", "mad"), task("unencodable", "odd"), limited,
				task("wait", "short-of-arguments"))
			w := begin(t, s, Config{Pool: pool, Concurrency: 2}, openDiary(path))
			eventually(t, "all tasks are acknowledged", func() bool { return s.left() == 0 })
			w.stop()
			got := map[string]Outcome{}
			for _, n := range readDiary(t, path) {
				if n.Kind == Finished {
					got[n.ID] = n.Outcome
				}
			}
			want := map[string]Outcome{"good": OK, "bad": Failed, "mad": Failed, "odd": Failed, "limited": TimedOut, "short-of-arguments": Failed}
			for id, o := range want {
				if got[id] != o {
					t.Errorf("task %s finished with outcome %d, want %d", id, got[id], o)
				}
			}
		})
	}
}

func TestForeignAndMalformedMessagesAreKeptAside(t *testing.T) {
	for _, pool := range []string{"goroutine", "prefork"} {
		t.Run(pool, func(t *testing.T) {
			s := newFake()
			short := task("noop", "short")
			short.Body = []byte(`[[], {}]`)
			nameless := task("noop", "nameless")
			delete(nameless.Headers, "id")
			mangled := task("noop", "mangled")
			mangled.Body = []byte(`[[}`)
			pickled := task("noop", "pickled")
			pickled.ContentType = "application/x-python-serialize"
			s.put(task("nobody-knows-me", "unknown"), short, nameless, mangled, pickled, brokers.Message{Body: []byte("hello")}, task("noop", "good"))
			o := &witness{}
			w := begin(t, s, Config{Pool: pool, Concurrency: 1}, o)
			eventually(t, "the queue is empty", func() bool { return s.left() == 0 })
			w.stop()
			if got := len(s.deadIDs()); got != 6 {
				t.Errorf("%d messages were kept aside, want 6: %q", got, s.deadIDs())
			}
			if st := w.Stats(); st.Malformed != 6 || st.Succeeded != 1 {
				t.Errorf("stats %+v, want 6 malformed and 1 succeeded", st)
			}
			if n := o.count(Malformed, 0); n != 6 {
				t.Errorf("%d malformed events, want 6", n)
			}
		})
	}
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	_, err := New(Config{
		Pool: "gevent", Acks: "sometimes", Concurrency: -1, Prefetch: 100_000, MaxTasks: -1, MaxMemory: -1,
		MaxAttempts: -1, Grace: -1, Queues: []string{"a", "a", "q_{{nothing}}"}, Broker: "other", Variant: "x",
		Multiplier: -1, ETALimit: -1, SoftStop: -1, SoftLimit: -1, HardLimit: -1, RateLimit: "many",
		Autoscale: Autoscale{Max: 1, Min: 2}, Routes: []route.Rule{{Task: "x"}}, Bindings: []brokers.Binding{{Queue: "b", Exchange: brokers.Exchange{Kind: "round"}}},
	}, Options{Driver: newFake().driver()})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{
		`pool: "gevent" is not one of goroutine, green, prefork, solo, threads`, `acks: "sometimes" is not one of early, late`,
		"concurrency: -1", "prefetch: 100000", "max_tasks_per_child", "max_memory_per_child", "max_attempts", "grace",
		"queues", `broker: "other"`, "registry", "worker_prefetch_multiplier", "worker_eta_task_limit", "worker_soft_shutdown_timeout",
		"task_soft_time_limit", "task_time_limit", "task_default_rate_limit", "worker_autoscale", "task_routes", "bindings", `the kind "round" of an exchange is none of direct, topic and fanout`, "{{nothing}}",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}

func TestSecondRunIsRefused(t *testing.T) {
	w := begin(t, newFake(), Config{Pool: "solo"}, nil)
	eventually(t, "the worker is connected", func() bool { return w.Stats().Connected })
	w.stop()
	if err := w.Run(t.Context()); err == nil {
		t.Error("a second Run returned nil")
	}
}

// A pool that could never follow its bounds is refused, and not warned of every second.
func TestAutoscaleBeyondThePool(t *testing.T) {
	for kind, want := range map[string]bool{"prefork": false, "goroutine": true} {
		c := Config{Pool: kind, Autoscale: Autoscale{Max: 2000}, Prefetch: 10}.Complete()
		if err := c.Validate(); (err == nil) != want {
			t.Errorf("2000 places of pool %s: %v", kind, err)
		}
	}
}
