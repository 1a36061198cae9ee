package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
	"taskbench/worker/message"
)

func dueIn(id string, d time.Duration) brokers.Message {
	m, err := message.New("noop", id, nil, nil, message.Options{Countdown: d})
	if err != nil {
		panic(err)
	}
	return m
}

// clockWitness is a witness who notes, too, how long after its own beginning each task started last.
type clockWitness struct {
	witness
	began time.Time
	at    map[string]time.Duration
}

func newClockWitness() *clockWitness {
	return &clockWitness{began: time.Now(), at: make(map[string]time.Duration)}
}

func (c *clockWitness) Observe(e Event) {
	c.witness.Observe(e)
	if e.Kind == Started {
		c.mu.Lock()
		c.at[e.ID] = time.Since(c.began)
		c.mu.Unlock()
	}
}

// starts is a copy of at.
func (c *clockWitness) starts() map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.at)
}

func TestETA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		o := newClockWitness()
		for i := range 20 { // more than the prefetch, the latest first
			s.put(dueIn(fmt.Sprint(i), time.Duration(20-i)*time.Minute))
		}
		s.put(task("noop", "now"))
		begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 4}, o)
		pass(time.Hour)
		if at, ok := o.at["now"]; !ok || at > time.Second {
			t.Errorf("the task without an ETA started after %v: it waited behind those with one", at)
		}
		for i := range 20 {
			want := time.Duration(20-i) * time.Minute
			if at := o.at[fmt.Sprint(i)]; at < want || at > want+time.Millisecond {
				t.Errorf("task %d started at %v, want %v", i, at, want)
			}
		}
		if len(s.prefetch) > 12 {
			t.Errorf("the prefetch was changed %d times for 20 tasks: %v", len(s.prefetch), s.prefetch)
		}
		if last := s.prefetch[len(s.prefetch)-1]; last != 4 {
			t.Errorf("the prefetch stayed at %d when nothing waited any more", last)
		}
	})
}

func TestScheduledTasksGoBackAtTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.put(dueIn("later", time.Hour))
		o := &witness{}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1}, o)
		synctest.Wait()
		w.stop()
		if got := kindNames(o.of("later")); got != "received returned" || len(s.ready) != 1 {
			t.Errorf("events: %s; %d messages are ready", got, len(s.ready))
		}
	})
}

func TestScheduledTasksSurviveALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		o := newClockWitness()
		s.put(dueIn("later", time.Hour))
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1}, o)
		pass(time.Minute)
		s.dropAll()
		pass(2 * time.Hour)
		if at := o.at["later"]; at < time.Hour || at > time.Hour+time.Millisecond {
			t.Errorf("the task started at %v, want one hour", at)
		}
		if st := w.Stats(); st.Started != 1 || s.left() != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		waiting, err := message.New("noop", "waiting", nil, nil, message.Options{Expires: time.Now().Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		past := task("noop", "past")
		past.Headers["expires"] = "1999-01-01T00:00:00" // the bubble's clock begins with 2000
		s.put(task("wait", "long", 5000), past, waiting)
		o := &witness{}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1}, o)
		pass(time.Minute)
		for _, id := range []string{"past", "waiting"} {
			if got := kindNames(o.of(id)); got != "received acked" {
				t.Errorf("task %s: %s, want received acked", id, got)
			}
		}
		if st := w.Stats(); st.Expired != 2 || st.Succeeded != 1 || s.left() != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestRetries(t *testing.T) {
	for _, acks := range []AckPolicy{Early, Late} {
		t.Run(string(acks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				m := task("retry", "three", 3)
				m.Headers["X-Mine"], m.Priority, m.ReplyTo = "kept", 7, "somewhere"
				s.put(m, task("retry-twice", "two"))
				o := newClockWitness()
				begin(t, s, Config{Pool: "goroutine", Concurrency: 2, Acks: acks}, o)
				pass(time.Minute)
				if n := o.count(Finished, Retried); n != 5 {
					t.Errorf("%d retries, want 3 and 2", n)
				}
				if ok, failed := o.count(Finished, OK), o.count(Finished, Failed); ok != 1 || failed != 1 {
					t.Errorf("%d ended well and %d failed, want one each", ok, failed)
				}
				if at := o.at["three"]; at < 3*time.Second || at > 3*time.Second+10*time.Millisecond {
					t.Errorf("the last try was at %v, want 3 s", at)
				}
				for _, m := range s.published {
					if m.Headers["id"] != "three" {
						continue
					}
					if m.Headers["X-Mine"] != "kept" || m.Priority != 7 || m.ReplyTo != "somewhere" || m.Headers["parent_id"] != "three" {
						t.Errorf("the retry is %+v", m)
					}
				}
			})
		})
	}
}

// A retry that cannot be sent must not cost the task.
func TestRetryThatCannotBeSent(t *testing.T) {
	for _, acks := range []AckPolicy{Early, Late} {
		t.Run(string(acks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				from := time.Now()
				s.fail = func(step string, _ bool) bool { return step == "publish" && time.Since(from) < 4*time.Second }
				s.put(task("retry", "id", 1))
				w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Acks: acks}, nil)
				pass(time.Minute)
				if st := w.Stats(); st.Succeeded != 1 || s.left() != 0 {
					t.Errorf("%d left, %+v", s.left(), st)
				}
			})
		})
	}
}

// full is a broker that takes no messages until some time, with such an error, and goes on with all else, as one during an alarm.
type full struct {
	*memorybroker.Connection
	until time.Time
	err   error
}

func (f full) Publish(ctx context.Context, m brokers.Message) error {
	if time.Now().Before(f.until) {
		return f.err
	}
	return f.Connection.Publish(ctx, m)
}

// While the broker takes no messages, a task that asks for a retry is held and not run again and again; a worker that stops
// meanwhile gives it back. A retry that may have been stored is not sent again.
func TestRetryThatIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		refused, stop time.Duration
		err           error
		want          Stats
		left          int
	}{
		"for a while":    {time.Minute, 2 * time.Minute, brokers.Refusef("memory is full"), Stats{Started: 2, Retried: 1, Succeeded: 1}, 0},
		"until the stop": {time.Hour, time.Minute, brokers.Refusef("memory is full"), Stats{Started: 1, Retried: 1, Returned: 1}, 1},
		"in doubt":       {time.Second / 2, time.Minute, errors.New("no answer"), Stats{Started: 3, Retried: 2, Returned: 1, Succeeded: 1}, 0},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := memorybroker.New()
				defer e.Close()
				d, until := memorybroker.Driver, time.Now().Add(c.refused)
				d.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) {
					return full{e.Connect(memorybroker.Rules{}), until, c.err}, nil
				}
				if err := e.Broker().Publish(t.Context(), task("retry", "id", 1)); err != nil {
					t.Fatal(err)
				}
				w := runWith(t, Config{Pool: "goroutine", Concurrency: 1, Acks: Late}, Options{Driver: d})
				pass(c.stop)
				w.stop()
				ready, _, err := e.Broker().(brokers.Inspector).Depth(t.Context(), brokers.DefaultQueue)
				if err != nil {
					t.Fatal(err)
				}
				st := w.Stats()
				if got := (Stats{Started: st.Started, Retried: st.Retried, Succeeded: st.Succeeded, Returned: st.Returned}); !reflect.DeepEqual(got, c.want) || ready != c.left {
					t.Errorf("%d left, %+v, want %d and %+v", ready, st, c.left, c.want)
				}
			})
		})
	}
}
