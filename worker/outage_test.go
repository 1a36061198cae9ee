package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
)

// dropping plants one failure: at the nth time that a step is taken.
func dropping(step string, after bool, nth int64) func(string, bool) bool {
	var n atomic.Int64
	return func(s string, a bool) bool { return s == step && a == after && n.Add(1) == nth }
}

// Wherever the connection breaks, the worker comes back and the work gets done; what was finished is not run again.
func TestConnectionDropsAtEveryStep(t *testing.T) {
	const tasks = 40
	for _, c := range []struct {
		step  string
		after bool
		nth   int64
	}{
		{"open", false, 1}, {"consume", false, 1}, {"deliver", false, 1}, {"deliver", false, 20},
		{"ack", false, 1}, {"ack", false, 20}, {"ack", true, 20}, {"nack", false, 1}, {"nack", true, 1},
		{"publish", false, 1}, {"publish", true, 1},
	} {
		for _, acks := range []AckPolicy{Early, Late} {
			t.Run(fmt.Sprintf("%s-%d-%v/%s", c.step, c.nth, c.after, acks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newFake()
					s.fail = dropping(c.step, c.after, c.nth)
					for i := range tasks {
						s.put(task("wait", fmt.Sprintf("id-%d", i), i%7))
					}
					s.put(task("unknown", "stranger"), task("retry", "again", 1))
					w := begin(t, s, Config{Pool: "goroutine", Concurrency: 3, Acks: acks}, nil)
					pass(30 * time.Second)
					if n := s.left(); n != 0 {
						t.Errorf("%d messages were left", n)
					}
					st := w.Stats()
					if st.Reconnects != 1 || !st.Connected {
						t.Errorf("%d reconnects, connected %v; want 1, true", st.Reconnects, st.Connected)
					}
					again := uint64(0)
					if c.step == "publish" && c.after {
						again = 2 // whether the retry was stored is not known, so it may be there twice
					}
					if st.Succeeded < tasks+1 || st.Succeeded > tasks+1+again {
						t.Errorf("%d tasks succeeded, want %d: %+v", st.Succeeded, tasks+1, st)
					}
					if got := s.deadIDs(); len(got) != 1 {
						t.Errorf("kept aside: %q, want the stranger once", got)
					}
					w.stop()
				})
			})
		}
	}
}

// An acknowledgement may fail on a connection that lives. The message is then the broker's to hand out again, which it
// does when the connection ends.
func TestAcknowledgementThatFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		var acks atomic.Int32
		s.refuse = func(step string) bool { return step == "ack" && acks.Add(1) == 3 }
		for i := range 10 {
			s.put(task("noop", fmt.Sprint(i)))
		}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 1}, nil)
		pass(time.Minute)
		if st := w.Stats(); s.left() != 0 || st.Started != 10 || st.Deduplicated != 1 || st.Reconnects != 1 {
			t.Errorf("%d left, %+v; want 0 left, 10 started, 1 deduplicated", s.left(), st)
		}
	})
}

func TestReconnectBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.fail = func(step string, _ bool) bool { return step == "open" }
		w := begin(t, s, Config{Pool: "solo", Name: "w"}, nil)
		pass(20 * time.Second)
		w.stop()
		want := 50 * time.Millisecond
		for i := range len(s.opens) - 1 {
			got := s.opens[i+1].Sub(s.opens[i])
			if got < want/2 || got > want {
				t.Errorf("wait %d was %v, want %v to %v", i, got, want/2, want)
			}
			want = min(2*want, 2*time.Second)
		}
		if n := len(s.opens); n < 14 || n > 22 {
			t.Errorf("%d tries in 20 s", n)
		}
	})
}

// A URL that is a mistake does not get better by being tried again.
func TestAURLThatIsAMistake(t *testing.T) {
	d := newFake().driver()
	d.Open = func(_ context.Context, url string, _ brokers.Variant) (brokers.Broker, error) {
		return nil, brokers.RefuseURL(url, "fake://", errors.New("the scheme is another"))
	}
	w, err := New(Config{Pool: "solo", URL: "other://"}, Options{Driver: d, Registry: testRegistry(), Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); !errors.Is(err, brokers.ErrURL) || !brokers.Definite(err) || !strings.Contains(err.Error(), "want fake://") {
		t.Errorf("%v, want what is wrong with the URL", err)
	}
}

// A driver that hangs must not hang the worker.
func TestOpenThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.put(task("noop", "id"))
		driver := s.driver()
		open := driver.Open
		var calls atomic.Int32
		release := make(chan struct{})
		driver.Open = func(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
			if calls.Add(1) == 1 {
				<-release
			}
			return open(ctx, url, v)
		}
		w, err := New(Config{Pool: "solo"}, Options{Registry: testRegistry(), Driver: driver, Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		pass(15 * time.Second)
		if w.Stats().Succeeded != 1 {
			t.Error("the task was not run within 15 s")
		}
		close(release)
		synctest.Wait()
		if n := len(s.conns); n != 1 {
			t.Errorf("%d connections are open; the one that came too late must be closed", n)
		}
		cancel()
		<-done
	})
}

// A task that runs while the connection is lost is delivered again while it runs, or after it has finished; in both
// cases it must be run once and acknowledged.
func TestWorkThatOutlivesItsConnection(t *testing.T) {
	for _, c := range []struct {
		name     string
		away     time.Duration // how long the broker refuses connections
		promises []brokers.Promise
	}{
		{"redelivered while it runs", 0, []brokers.Promise{brokers.RedeliverFlag}},
		{"redelivered after it finished", 10 * time.Second, []brokers.Promise{brokers.RedeliverFlag}},
		{"redelivered while it runs, unmarked", 0, nil},
		{"redelivered after it finished, unmarked", 10 * time.Second, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				s.promises = c.promises
				var back atomic.Pointer[time.Time]
				back.Store(new(time.Time))
				s.fail = func(step string, _ bool) bool { return step == "open" && time.Now().Before(*back.Load()) }
				s.put(task("wait", "long", 5000))
				o := &witness{}
				w := begin(t, s, Config{Pool: "goroutine", Concurrency: 2}, o)
				pass(time.Second)
				until := time.Now().Add(c.away)
				back.Store(&until)
				s.dropAll()
				pass(30 * time.Second)
				st := w.Stats()
				if s.left() != 0 || st.Started != 1 || st.Deduplicated != 1 {
					t.Errorf("%d left, %+v; want 0 left, 1 started, 1 deduplicated", s.left(), st)
				}
				if got := kindNames(o.of("long")); got != "received started received finished acked" && got != "received started finished received acked" {
					t.Errorf("events: %s", got)
				}
				// The memory is used up: the same id may be sent once more, and is run.
				s.put(task("noop", "long"))
				synctest.Wait()
				if st := w.Stats(); st.Started != 2 {
					t.Errorf("a new message of the same id was not run: %+v", st)
				}
			})
		})
	}
}

// What a task asks for in the end, a retry, is sent on the connection that there is by then, and the task is not run
// once more for it.
func TestRetryThatOutlivesItsConnection(t *testing.T) {
	r := testRegistry()
	r.Add("later", func(_ context.Context, r *Request) (any, error) {
		if r.Retries > 0 {
			return nil, nil
		}
		<-time.After(5 * time.Second)
		return nil, &RetryError{After: time.Second}
	})
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		s.put(task("later", "it"))
		w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 2}, Options{Registry: r, Results: b})
		pass(time.Second)
		s.dropAll()
		pass(time.Minute)
		st := w.Stats()
		if s.left() != 0 || st.Started != 2 || st.Retried != 1 || st.Succeeded != 1 {
			t.Errorf("%d left, %+v; want 0 left, 2 started, 1 retried, 1 succeeded", s.left(), st)
		}
		if got := fmt.Sprint(b.states["it"]); got != "[RETRY SUCCESS]" {
			t.Errorf("states %s", got)
		}
		w.stop()
	})
}

// With brokers that are only told of acknowledgements, the last ones of a connection may be missing; of several
// connections, too.
func TestAcknowledgementsLostWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.put(task("noop", "told"))
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1}, nil)
		synctest.Wait()
		for times := range uint64(3) {
			s.dropAll()
			s.mu.Lock()
			s.ready = append(s.ready, fakeItem{m: task("noop", "told"), redelivered: true}) // the broker never heard
			s.mu.Unlock()
			pass(5 * time.Second)
			if st := w.Stats(); s.left() != 0 || st.Started != 1 || st.Deduplicated != times+1 {
				t.Errorf("%d left, %+v; want 0 left, 1 started, %d deduplicated", s.left(), st, times+1)
			}
		}
	})
}

// A redelivered message that waits for the attempt in hand goes back with its connection, and that is said: nobody has it
// in hand any more.
func TestWhatWaitsForAnAttemptGoesWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newFake(), &witness{}
		s.put(task("wait", "twice", 2000))
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 2}, seen)
		pass(time.Second)
		s.mu.Lock()
		s.ready = append(s.ready, fakeItem{m: task("wait", "twice", 2000), redelivered: true})
		s.wakeAll()
		s.mu.Unlock()
		synctest.Wait()
		s.dropAll()
		pass(time.Minute)
		if received, out := seen.count(Received, 0), seen.count(Finished, 0)+seen.count(Returned, 0)+int(w.Stats().Deduplicated); received < 3 || received != out || s.left() != 0 {
			t.Errorf("%d received, %d finished, returned or acknowledged unrun, %d left: %v", received, out, s.left(), seen.of("twice"))
		}
		w.stop()
	})
}

// Two messages of one id are two tasks, while nothing says that one is the other delivered again.
func TestSameIDTwiceIsRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.put(task("wait", "twin", 1000), task("wait", "twin", 1000))
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 2}, nil)
		pass(3 * time.Second)
		if st := w.Stats(); st.Succeeded != 2 || st.Deduplicated != 0 {
			t.Errorf("stats %+v, want 2 succeeded", st)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(brokers.Variant{Promises: []brokers.Promise{brokers.RedeliverFlag}}, 4)
	of := func(i int) key { return key{id: fmt.Sprint(i)} }
	for i := range remembered + 10 {
		m.unheard(of(i))
	}
	if len(m.finished) != remembered || len(m.queue) != remembered {
		t.Errorf("%d and %d are remembered, want %d", len(m.finished), len(m.queue), remembered)
	}
	for i, want := range map[int]verdict{0: fresh, 9: fresh, 10: finished, remembered + 9: finished} {
		if got := m.begin(&attempt{key: of(i)}, true); got != want {
			t.Errorf("message %d: verdict %d, want %d", i, got, want)
		}
	}
	if got := m.begin(&attempt{key: of(11)}, false); got != fresh {
		t.Error("a message that is not marked as redelivered was taken for one")
	}
	if n := m.inHand(); n != 3 {
		t.Errorf("%d messages are in hand, want the 3 fresh ones", n)
	}
}

// An acknowledgement that was sent while the loss of its connection was already known is not believed.
func TestAcknowledgementOnALostConnection(t *testing.T) {
	for name, late := range map[string]bool{"before the loss": false, "after the loss": true} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(brokers.Variant{Promises: []brokers.Promise{brokers.RedeliverFlag}}, 4)
			s := &session{}
			a := &attempt{session: s, key: key{id: "id"}}
			if got := m.begin(a, false); got != fresh {
				t.Fatalf("verdict %d at first, want %d", got, fresh)
			}
			if late {
				m.lost(s)
				m.end(a, true, true)
			} else {
				m.end(a, true, true)
				m.lost(s)
			}
			if got := m.begin(&attempt{session: &session{}, key: a.key}, true); got != finished {
				t.Errorf("verdict %d on the redelivered message, want %d", got, finished)
			}
		})
	}
}
