package trial_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker"
	"taskbench/worker/event"
	"taskbench/worker/result"
)

// A fate is what becomes of a message.
type fate struct {
	name  string
	count func(worker.Stats) uint64 // what counts it
	aside bool                      // it is in the dead letter queue
	state result.State              // what its result says
	event string                    // the last one of its task; "" is none
}

var (
	done = fate{"done", func(s worker.Stats) uint64 { return s.Succeeded }, false, result.Success, "task-succeeded"}
	// unreadable is kept aside without having been a task to anybody.
	unreadable = fate{"kept aside", func(s worker.Stats) uint64 { return s.Malformed }, true, result.Pending, ""}
	// spoilt is kept aside once its body was looked at.
	spoilt  = fate{"kept aside", func(s worker.Stats) uint64 { return s.Malformed }, true, result.Pending, "task-rejected"}
	unknown = fate{"kept aside", func(s worker.Stats) uint64 { return s.Malformed }, true, result.Failure, "task-failed"}
	late    = fate{"expired", func(s worker.Stats) uint64 { return s.Expired }, false, result.Revoked, "task-revoked"}
	// waiting is nowhere but where the worker or the broker keeps it.
	waiting = fate{"waiting", func(s worker.Stats) uint64 { return s.Delayed + uint64(s.InHand) }, false, result.Pending, "task-received"}
	killer  = fate{"kept aside", func(s worker.Stats) uint64 { return s.Malformed }, true, result.Failure, "task-failed"}
)

// An arena is a worker that gets bad input, and all that can be seen of it.
type arena struct {
	server  server
	queue   string
	broker  brokers.Broker
	results result.Backend
	worker  running
	goods   int

	mu     sync.Mutex
	events map[string]string // the last of each task
}

func newArena(t *testing.T, s server) *arena {
	a := &arena{server: s, queue: queueOf(t), broker: s.open(t), results: results(t), events: map[string]string{}}
	listening := make(chan struct{})
	var r event.Receiver
	go func() {
		err := r.Listen(t.Context(), a.broker.(brokers.Exchanger), func() { close(listening) }, func(e event.Event) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if e.Group() == "task" {
				a.events[e.UUID] = e.Type
			}
		})
		if t.Context().Err() == nil {
			t.Errorf("listening to events ended: %v", err)
		}
	}()
	<-listening
	a.worker = start(t, s, worker.Config{
		Pool: "prefork", Concurrency: 2, Queues: []string{a.queue}, SendEvents: true, MaxAttempts: 3, Name: queueOf(t),
	}, worker.Options{Results: a.results})
	return a
}

func (a *arena) event(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.events[id]
}

// good has the worker run a task that is as it should be.
func (a *arena) good(t *testing.T) {
	t.Helper()
	a.goods++
	id := fmt.Sprintf("%s.good.%d", a.queue, a.goods)
	publish(t, a.broker, task(a.queue, "echo", id, []any{a.goods}, nil))
	within(t, patience, "the next good task is done", func() bool { return a.state(t, id) == result.Success })
}

func (a *arena) state(t *testing.T, id string) result.State {
	t.Helper()
	r, err := a.results.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

func (a *arena) dead(t *testing.T) int {
	t.Helper()
	return leftIn(t, a.broker, brokers.DeadLetterQueue(a.queue))
}

// An input is something that somebody leaves in the queue.
type input struct {
	name string
	fate fate
	put  func(t *testing.T, a *arena, id string)
	only string // the broker where it can be; "" is all
	more int    // of what is kept aside: what the message brought with it
}

// patience is within which all is as it should be again, on the most loaded of machines.
const patience = 2 * time.Minute

// TestBadInput: whatever is in the queue, the worker goes on, the message goes where it should, and whoever looks is
// told the truth.
func TestBadInput(t *testing.T) {
	for _, s := range servers(t) {
		t.Run(s.name(), func(t *testing.T) {
			began := time.Now()
			a := newArena(t, s)
			n := 0
			for _, in := range inputs() {
				if in.only != "" && in.only != s.name() {
					continue
				}
				n++
				id := fmt.Sprintf("%s.%d", a.queue, n)
				if !t.Run(in.name, func(t *testing.T) { a.judge(t, in, id) }) {
					break // what follows could not be told from what this has left behind
				}
			}
			if st := a.worker.Stats(); st.Reconnects > 0 {
				t.Errorf("the worker reconnected %d times", st.Reconnects)
			}
			t.Logf("%d inputs took %v", n, time.Since(began).Round(time.Millisecond))
		})
	}
}

func (a *arena) judge(t *testing.T, in input, id string) {
	began := time.Now()
	defer func() {
		if took := time.Since(began); took > time.Second {
			t.Logf("%v", took.Round(time.Millisecond))
		}
	}()
	// What waits in the worker is there to stay.
	before, aside, stays := in.fate.count(a.worker.Stats()), a.dead(t), leftIn(t, a.broker, a.queue)
	good := uint64(0)
	if in.fate.name == done.name {
		good = 1 // counts as well
	}
	in.put(t, a, id)
	a.good(t)
	within(t, patience, "it is counted as "+in.fate.name, func() bool { return in.fate.count(a.worker.Stats()) >= before+good+1 })
	if in.fate.aside || in.more > 0 {
		want := aside + in.more
		if in.fate.aside {
			want++
		}
		within(t, patience, "it is kept aside", func() bool { return a.dead(t) == want })
	} else if n := a.dead(t); n != aside {
		t.Errorf("%d messages are kept aside, want %d as before", n, aside)
	}
	if in.fate.name != waiting.name {
		within(t, patience, "nothing more is in the queue", func() bool { return leftIn(t, a.broker, a.queue) == stays })
	}
	if _, ok := comes(patience, func() bool { return a.state(t, id) == in.fate.state }); !ok {
		t.Errorf("its result is %s, want %s", a.state(t, id), in.fate.state)
	}
	if _, ok := comes(patience, func() bool { return a.event(id) == in.fate.event }); !ok {
		t.Errorf("its last event is %q, want %q", a.event(id), in.fate.event)
	}
}
