package beat

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat/schedule"
)

// A stopper stands for the signals that stop a process, at each step in which it touches the world.
type stopper struct {
	mu   sync.Mutex
	gate chan struct{} // closed while the process runs
}

func newStopper() *stopper {
	s := &stopper{gate: make(chan struct{})}
	close(s.gate)
	return s
}

func (s *stopper) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *stopper) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gate:
	default:
		close(s.gate)
	}
}

func (s *stopper) wait() {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	<-gate
}

// A stoppable broker is one process's connection to the broker that all share.
type stoppable struct {
	*fakeBroker
	*stopper
}

// Publish does not look at its context, as a process that is stopped in its midst does not.
func (s stoppable) Publish(ctx context.Context, m brokers.Message) error {
	s.wait()
	<-time.After(time.Millisecond)
	s.wait() // stopped between its last look at anything and its sending
	return s.fakeBroker.Publish(ctx, m)
}

// Several beats, of which some are stopped, resumed and killed all the time, are one: nothing is fired twice, and what
// is not fired is told. With Resend nothing is missing, and what comes twice has the same id.
func TestSeveralBeatsAreOne(t *testing.T) {
	doubtful := 0
	for seed := range uint64(seeds) {
		for _, resend := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%v", seed, resend), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { doubtful += severalBeats(t, seed, resend) })
			})
		}
	}
	if doubtful < seeds {
		t.Errorf("only %d ticks were doubtful: the stops do not strike where it hurts", doubtful)
	}
}

func severalBeats(t *testing.T, seed uint64, resend bool) (doubtful int) {
	const lease, each = 10 * time.Second, 500 * time.Millisecond
	rng := rand.New(rand.NewPCG(seed, 2))
	b := &fakeBroker{}
	server := &fakeServer{marks: map[string]Mark{}}
	entries := []Entry{every("x", each, schedule.All), every("y", each, schedule.All), cron(t, "z", "* * * * *", schedule.All)}
	for i := range entries {
		entries[i].CatchUp.Limit = 1e6
	}
	began := time.Now()
	type one struct {
		*Runner
		*stopper
		end func()
	}
	var all []*one
	var wg sync.WaitGroup
	start := func() *one {
		o := &one{stopper: newStopper()}
		lock := &fakeLock{server: server, name: fmt.Sprint("beat ", len(all)), delay: func(context.Context, string) error {
			o.wait()
			<-time.After(time.Millisecond)
			o.wait()
			return nil
		}}
		r, err := New(Config{
			Open:  func(context.Context) (brokers.Broker, error) { return stoppable{b, o.stopper}, nil },
			Store: newStore(entries...), Lock: lock, Lease: lease, Resend: resend,
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { _ = r.Run(ctx) })
		o.Runner, o.end = r, cancel
		all = append(all, o)
		return o
	}
	running := []*one{start(), start(), start()}
	for range 30 {
		pass(time.Duration(rng.Int64N(int64(20 * time.Second))))
		i := rng.IntN(len(running))
		for j, o := range running {
			if o.Stats().Leading && rng.IntN(2) == 0 {
				i = j
			}
		}
		if rng.IntN(4) > 0 { // in the midst of a tick
			pass(each - time.Since(began)%each + time.Duration(rng.Int64N(int64(6*time.Millisecond))))
		}
		switch victim := running[i]; rng.IntN(3) {
		case 0:
			victim.stop() // and never resumed: killed
			running[i] = start()
		default:
			victim.stop()
			pass(time.Duration(rng.Int64N(int64(3 * lease))))
			victim.resume()
		}
	}
	pass(3 * lease)
	expected := 2*int(time.Since(began)/each) + int(time.Since(began)/time.Minute)
	for _, o := range running {
		o.end()
	}
	for _, o := range all {
		doubtful += int(o.Stats().Doubtful)
	}
	fs := b.all()
	seen := map[string]int{}
	for _, f := range fs {
		if f.ID != TickID(f.Entry, f.Scheduled) {
			t.Errorf("%s of %s has the id %s", f.Entry, f.Scheduled, f.ID)
		}
		seen[f.ID]++
	}
	twice := len(fs) - len(seen)
	if !resend {
		once(t, fs)
	} else if twice > doubtful {
		t.Errorf("%d ticks were fired again, but only %d were doubtful", twice, doubtful)
	}
	missing := expected - len(seen) - 6 // the last ones may be under way, and the first beat began a little later
	if missing > 0 && (resend || missing > doubtful) {
		t.Errorf("of %d ticks %d are missing, and %d are told to be doubtful", expected, missing, doubtful)
	}
	t.Logf("%d ticks, %d missing, %d twice, %d doubtful", len(seen), missing, twice, doubtful)
	for _, o := range all { // the killed ones, whose goroutines have to end with the bubble
		o.end()
		o.resume()
	}
	wg.Wait()
	return doubtful
}

// When the one that fires is gone, the next one goes on within the lease and a tenth, exactly where it ended.
func TestFailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBroker{}
		server := &fakeServer{marks: map[string]Mark{}}
		begin := func(name string) (*stopper, func()) {
			s := newStopper()
			_, end := life(t, Config{
				Open:  func(context.Context) (brokers.Broker, error) { return stoppable{b, s}, nil },
				Store: newStore(every("e", time.Second, schedule.All)),
				Lock: &fakeLock{server: server, name: name, delay: func(context.Context, string) error {
					s.wait()
					return nil
				}},
			})
			return s, end
		}
		first, endFirst := begin("first")
		pass(2500 * time.Millisecond)
		_, endSecond := begin("second")
		pass(3 * time.Second)
		first.stop()
		pass(20 * time.Second)
		worst := time.Duration(0)
		for i, f := range b.all() {
			if want := b.all()[0].Scheduled.Add(time.Duration(i) * time.Second); !f.Scheduled.Equal(want) {
				t.Errorf("tick %d is that of %s, want %s", i, f.Scheduled, want)
			}
			worst = max(worst, f.At.Sub(f.Scheduled))
		}
		if worst < time.Second || worst > 11*time.Second {
			t.Errorf("the worst delay was %s, want at most the lease of 10 s and a tenth", worst)
		}
		endSecond() // it gives the lock up, and so the first is back at once
		before := len(b.all())
		first.resume()
		pass(3 * time.Second)
		if got := len(b.all()) - before; got < 2 || got > 4 {
			t.Errorf("%d ticks in 3 s after the lock was given up", got)
		}
		endFirst()
		once(t, b.all())
	})
}
