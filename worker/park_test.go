package worker

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
)

// inside is a driver of a memory engine in this process, which needs no network.
func inside(e *memorybroker.Engine) brokers.Driver {
	d := memorybroker.Driver
	d.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return e.Broker(), nil }
	return d
}

// runWith starts a worker of any driver.
func runWith(t testing.TB, c Config, o Options) startedWorker {
	t.Helper()
	if o.Registry == nil {
		o.Registry = testRegistry()
	}
	if o.Log == nil {
		o.Log = testLog(t)
	}
	w, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return startedWorker{w, stop}
}

// Tasks beyond the limit, and those due far in the future, wait in the broker, and run on time all the same.
func TestTasksWaitInTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memorybroker.New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		publish := func(m brokers.Message) {
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 { // ten times the limit, due within the horizon
			publish(dueIn(fmt.Sprint(i), time.Minute+time.Duration(i)*time.Millisecond))
		}
		publish(dueIn("far", 48*time.Hour))
		publish(dueIn("soon", 3*time.Second))
		publish(task("noop", "now"))
		o := newClockWitness()
		w := runWith(t, Config{Pool: "goroutine", Concurrency: 2, Prefetch: 4, ETALimit: 10, Silent: true}, Options{Driver: inside(e), Observer: o})
		pass(time.Second)
		if _, ran := o.starts()["now"]; !ran {
			t.Error("a task that is due waits behind those that are not")
		}
		if st := w.Stats(); st.InHand > 10+4+1 || st.Delayed < 85 {
			t.Errorf("%d are held, and %d were moved to the broker", st.InHand, st.Delayed)
		}
		pass(50 * time.Hour)
		if n := o.count(Started, 0); n != 103 {
			t.Errorf("%d were started, want 103", n)
		}
		for i := range 100 {
			want := time.Minute + time.Duration(i)*time.Millisecond
			if at := o.starts()[fmt.Sprint(i)]; at < want || at > want+10*time.Millisecond {
				t.Errorf("task %d started after %v, want %v", i, at, want)
			}
		}
		if at := o.starts()["far"]; at < 48*time.Hour || at > 48*time.Hour+time.Second {
			t.Errorf("the far one started after %v", at)
		}
		w.stop()
	})
}

// Where the broker cannot keep them, a flood of tasks with a time to come stalls the worker, which says so once for each flood.
func TestAFloodOfTasksThatWaitHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const held = 10 + 2 + 4 // the limit in whole prefetches, and a prefetch
		s := newFake()
		o := newClockWitness()
		book, log := newLogbook(t)
		said := func() []map[string]any {
			return book.of("tasks with a time to come take up all of the prefetch: no others are taken until one of them is due; raise --eta-task-limit")
		}
		w := runWith(t, Config{Pool: "goroutine", Concurrency: 2, Prefetch: 4, ETALimit: 10, Silent: true}, Options{
			Driver: s.driver(), Observer: o, Log: log,
		})
		pass(time.Second)
		for i := range 10 {
			s.put(dueIn(fmt.Sprint("fits-", i), 30*time.Second))
		}
		pass(time.Minute)
		if n := o.count(Started, 0); n != 10 || len(said()) != 0 {
			t.Errorf("of as many as the limit %d were started, and it was said: %v", n, said())
		}
		for flood := range 2 {
			before := o.count(Started, 0)
			for i := range 50 {
				s.put(dueIn(fmt.Sprint(flood, "-", i), time.Minute+time.Duration(i)*time.Second))
			}
			s.put(task("noop", fmt.Sprint(flood, "-now")))
			pass(30 * time.Second)
			if st := w.Stats(); st.InHand != held || o.count(Started, 0) != before {
				t.Errorf("%d are held, want %d, and %d were started", st.InHand, held, o.count(Started, 0)-before)
			}
			pass(2 * time.Minute) // in which one is due each second, and another takes its place
			if n := o.count(Started, 0) - before; n != 51 {
				t.Errorf("%d of 51 were started", n)
			}
			if all := said(); len(all) != flood+1 || all[flood]["held"] != float64(held) {
				t.Errorf("after flood %d it was said: %v", flood+1, all)
			}
		}
		w.stop()
	})
}

// What expires, or is revoked, while it waits in the broker is not run.
func TestWaitingInTheBrokerDoesNotKeepATaskAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memorybroker.New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		results := newMoody()
		for _, id := range []string{"expires", "revoked", "runs"} {
			m := dueIn(id, time.Hour)
			if id == "expires" {
				m.Headers["expires"] = time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
				m.Expiration = 30 * time.Minute
			}
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		o := newClockWitness()
		w := runWith(t, Config{Pool: "solo", Silent: true}, Options{Driver: inside(e), Observer: o, Results: results})
		pass(time.Minute)
		if w.Stats().Delayed != 3 {
			t.Errorf("%d wait in the broker", w.Stats().Delayed)
		}
		if err := w.revoked.Add("revoked"); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if len(o.starts()) != 1 || o.starts()["runs"] < time.Hour {
			t.Errorf("started: %v", o.starts())
		}
		for id, want := range map[string]string{"expires": "expired", "revoked": "revoked"} {
			if got := text(results.record(t, id).Exception); got != "celery.exceptions.TaskRevokedError: "+want {
				t.Errorf("%s: %q", id, got)
			}
		}
		w.stop()
	})
}

// flood is a broker that has no end of tasks with an ETA, and takes back what is delayed without keeping it: what is
// left in memory is the worker's.
type flood struct {
	memorybroker.Engine
	left    atomic.Int64
	delayed atomic.Int64
	acked   atomic.Int64
	bound   atomic.Int64
	held    atomic.Int64
	most    atomic.Int64
	wake    chan struct{}
}

func (f *flood) Publish(context.Context, brokers.Message) error { return nil }
func (f *flood) Close() error                                   { return nil }
func (f *flood) Err() error                                     { return nil }

func (f *flood) Delay(context.Context, brokers.Message, time.Time) error {
	f.delayed.Add(1)
	return nil
}

func (f *flood) SetPrefetch(n int) error {
	f.bound.Store(int64(n))
	f.nudge()
	return nil
}

func (f *flood) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flood) Consume(ctx context.Context, _ []string, prefetch int) (brokers.Consumer, error) {
	f.bound.Store(int64(prefetch))
	out := make(chan brokers.Delivery)
	go func() {
		defer close(out)
		for n := f.left.Add(-1); n >= 0; n = f.left.Add(-1) {
			for f.held.Load() >= f.bound.Load() {
				select {
				case <-f.wake:
				case <-ctx.Done():
					return
				}
			}
			f.most.Store(max(f.most.Load(), f.held.Add(1)))
			select {
			case out <- drop{f, dueIn(fmt.Sprint("task-", n), horizon-time.Minute)}:
			case <-ctx.Done():
				return
			}
		}
		<-ctx.Done()
	}()
	return consumer{f, out}, nil
}

type consumer struct {
	*flood
	out chan brokers.Delivery
}

func (c consumer) Deliveries() <-chan brokers.Delivery { return c.out }

type drop struct {
	f *flood
	m brokers.Message
}

func (d drop) Message() brokers.Message { return d.m }
func (d drop) Redelivered() bool        { return false }
func (d drop) Ack(context.Context) error {
	d.f.held.Add(-1)
	d.f.acked.Add(1)
	d.f.nudge()
	return nil
}
func (d drop) Nack(context.Context, bool) error { return d.Ack(context.Background()) }

// A million tasks that wait for their time take no more of the worker's memory than the limit allows.
func TestAMillionWaitingTasks(t *testing.T) {
	tasks := 1_000_000
	if testing.Short() {
		tasks = 100_000
	}
	f := &flood{wake: make(chan struct{}, 1)}
	f.left.Store(int64(tasks))
	driver := memorybroker.Driver
	driver.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return f, nil }
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := runWith(t, Config{Pool: "goroutine", Concurrency: 4}, Options{Driver: driver})
	deadline := time.After(5 * time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); int(f.delayed.Load())+w.Stats().InHand < tasks; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after 5 minutes %d are delayed and %d held", f.delayed.Load(), w.Stats().InHand)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	limit := w.config.ETALimit
	if held := w.Stats().InHand; held < limit || held > limit+w.config.Prefetch {
		t.Errorf("%d tasks are held, and the limit is %d", held, limit)
	}
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d tasks: %d held, heap grown by %d MiB, %d MiB taken from the system", tasks, w.Stats().InHand, grown>>20, after.Sys>>20)
	if grown > 256<<20 || after.Sys > 1<<30 {
		t.Errorf("the heap grew by %d MiB, and %d MiB were taken from the system", grown>>20, after.Sys>>20)
	}
	w.stop()
	if f.held.Load() != 0 {
		t.Errorf("%d messages were neither delayed nor given back", f.held.Load())
	}
}

// A message of protocol version 1 has no headers, and waits as any other.
func TestParkedWithoutHeaders(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	m := parked(brokers.Message{Body: []byte("{}")}, now)
	if !back(m, now.Add(nearest/2)) || back(m, now.Add(2*nearest)) {
		t.Errorf("headers %v", m.Headers)
	}
	headers := map[string]any{"id": "1"}
	if m = parked(brokers.Message{Headers: headers}, now); len(headers) != 1 || m.Headers["id"] != "1" {
		t.Errorf("headers %v became %v", headers, m.Headers)
	}
}
