package worker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
)

// A worker whose clock is behind waits by that clock; and the broker, by whose clock it is time already, and the worker do not
// hand its tasks to each other meanwhile.
func TestClockBehindTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const behind = time.Hour
		e := memorybroker.New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		o := newClockWitness()
		w := runWith(t, Config{Pool: "goroutine", Concurrency: 2, Prefetch: 4, ETALimit: 10, Silent: true}, Options{
			Driver: inside(e), Observer: o, Clock: func() time.Time { return time.Now().Add(-behind) },
		})
		for i := range 8 {
			if err := b.Publish(t.Context(), dueIn(fmt.Sprint(i), time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		pass(behind - time.Minute)
		if n := o.count(Started, 0); n != 0 {
			t.Errorf("%d were started when by the worker's clock it was too early", n)
		}
		pass(3 * time.Minute)
		if n := o.count(Started, 0); n != 8 {
			t.Errorf("%d of 8 were started when it was time", n)
		}
		if n := o.count(Received, 0); n > 3*8 {
			t.Errorf("8 tasks were handed out %d times", n)
		}
		w.stop()
	})
}

// What expires does so by the worker's clock, and how long a task may take is not for that clock to say.
func TestClockAheadOfTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memorybroker.New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		registry := testRegistry()
		registry.Add("long", func(ctx context.Context, _ *Request) (any, error) {
			pause(ctx, 10*time.Second)
			return nil, ctx.Err()
		}, SoftLimit(20*time.Second), HardLimit(30*time.Second))
		began := time.Now()
		o := newClockWitness()
		w := runWith(t, Config{Pool: "goroutine", Concurrency: 2, Silent: true}, Options{Driver: inside(e), Observer: o, Registry: registry, Clock: func() time.Time {
			now := time.Now()
			if now.Sub(began) > 5*time.Second {
				now = now.Add(time.Hour) // it is set while the task runs
			}
			return now
		}})
		fresh := task("noop", "stale")
		fresh.Headers["expires"] = began.Add(30 * time.Minute).UTC().Format("2006-01-02T15:04:05")
		for _, m := range []brokers.Message{task("long", "long"), dueIn("soon", 9*time.Minute)} {
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		pass(6 * time.Second)
		if err := b.Publish(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		starts := o.starts()
		if _, ran := starts["stale"]; ran {
			t.Error("a task was run that had expired by the worker's clock")
		}
		if at, ran := starts["soon"]; !ran || at < 5*time.Second || at > 7*time.Second {
			t.Errorf("what was to wait for nine minutes was started after %v: %v", at, ran)
		}
		if n := o.count(Finished, OK); n != 2 {
			t.Errorf("%d of 2 ended well, one of which takes ten seconds", n)
		}
		w.stop()
	})
}
