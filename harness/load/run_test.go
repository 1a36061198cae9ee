package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
)

// A publisher is a broker that only takes messages, in the way its function says.
type publisher func(ctx context.Context, m brokers.Message) error

func (p publisher) Publish(ctx context.Context, m brokers.Message) error { return p(ctx, m) }
func (publisher) Consume(context.Context, []string, int) (brokers.Consumer, error) {
	return nil, errors.New("only publishes")
}
func (publisher) Close() error { return nil }

func opens(p publisher) func(context.Context) (brokers.Broker, error) {
	return func(context.Context) (brokers.Broker, error) { return p, nil }
}

func numbered(seq uint64) brokers.Message {
	return brokers.Message{CorrelationID: fmt.Sprint(seq)}
}

// A book records everything, as the ledger would.
type book struct {
	mu    sync.Mutex
	tasks map[uint64]*ledger.Task
	wrong []string
}

func (b *book) with(seq uint64, f func(*ledger.Task)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tasks == nil {
		b.tasks = map[uint64]*ledger.Task{}
	}
	if b.tasks[seq] == nil {
		b.tasks[seq] = &ledger.Task{Seq: seq, Due: -1, PublishStart: -1, PublishEnd: -1}
	}
	f(b.tasks[seq])
}

func (b *book) once(what string, seq uint64, field *int64, at int64) {
	if *field != -1 {
		b.wrong = append(b.wrong, fmt.Sprintf("task %d: %s twice", seq, what))
	}
	*field = at
}

func (b *book) Due(seq uint64, at int64) {
	b.with(seq, func(t *ledger.Task) { b.once("due", seq, &t.Due, at) })
}
func (b *book) PublishStart(seq uint64, at int64) {
	b.with(seq, func(t *ledger.Task) { b.once("publish start", seq, &t.PublishStart, at) })
}
func (b *book) PublishEnd(seq uint64, at int64, o ledger.PublishOutcome) {
	b.with(seq, func(t *ledger.Task) { b.once("publish end", seq, &t.PublishEnd, at); t.Publish = o })
}

// eventually waits for a condition, with a deadline.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: never within 10 s", what)
		}
	}
}

func TestEveryDueTaskIsPublishedOnce(t *testing.T) {
	var published sync.Map
	var twice atomic.Int64
	due := slices.Collect(Poisson(2000, 300*time.Millisecond, 3))
	b := &book{}
	r, err := Run(t.Context(), Plan{
		Due: slices.Values(due), Origin: 1e15, Message: numbered, Record: b,
		Open: opens(func(_ context.Context, m brokers.Message) error {
			if _, again := published.LoadOrStore(m.CorrelationID, true); again {
				twice.Add(1)
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Asked != len(due) || r.Offered != len(due) || r.OK != len(due) || twice.Load() != 0 || len(b.wrong) > 0 {
		t.Errorf("%d tasks were due; report %v; %d published twice; %v", len(due), r, twice.Load(), b.wrong)
	}
	for seq, at := range due {
		task := b.tasks[uint64(seq)]
		if task == nil || task.Due != 1e15+int64(at) || task.PublishStart < task.Due || task.PublishEnd < task.PublishStart || task.Publish != ledger.PublishOK {
			t.Fatalf("task %d, due at %v, was recorded as %+v", seq, at, task)
		}
	}
	if r.Lag.Count != int64(len(due)) || r.Schedule.Count != int64(len(due)) || r.Took < due[len(due)-1] {
		t.Errorf("report %+v", r)
	}
}

// What others publish falls due in its place, and is neither sent nor counted against the load.
func TestTasksOfOthersAreDueAndNotSent(t *testing.T) {
	const tasks = 300
	var published sync.Map
	b := &book{}
	others := func(seq uint64) bool { return seq%3 == 2 }
	r, err := Run(t.Context(), Plan{
		Due: Burst(tasks/3, time.Millisecond, 3*time.Millisecond), Message: numbered, Record: b, Others: others,
		Open: opens(func(_ context.Context, m brokers.Message) error { published.Store(m.CorrelationID, true); return nil }),
	})
	if err != nil || r.Asked != tasks*2/3 || r.Offered != r.Asked || r.OK != r.Asked || r.Unsent != 0 || int(r.Schedule.Count) != r.Asked {
		t.Errorf("report %+v, %v: want %d asked for and sent", r, err, tasks*2/3)
	}
	for seq := range uint64(tasks) {
		task := b.tasks[seq]
		_, sent := published.Load(fmt.Sprint(seq))
		if task == nil || task.Due < 0 || sent == others(seq) || (task.PublishStart == -1) != others(seq) {
			t.Fatalf("task %d, of others: %v, sent: %v, recorded as %+v", seq, others(seq), sent, task)
		}
	}
}

func TestSlowBrokerMakesTasksLateAndNeverFewer(t *testing.T) {
	const tasks, publishers = 200, 3
	gate := make(chan struct{})
	var progress func() Progress
	b := &book{}
	result := make(chan Report, 1)
	ready := make(chan struct{})
	go func() {
		r, err := Run(t.Context(), Plan{
			Due: Constant(1000, tasks*time.Millisecond), Message: numbered, Record: b, Publishers: publishers, Timeout: time.Minute,
			Open:  opens(func(context.Context, brokers.Message) error { <-gate; return nil }),
			Watch: func(now func() Progress) { progress = now; close(ready) },
		})
		if err != nil {
			t.Error(err)
		}
		result <- r
	}()
	<-ready
	eventually(t, "all tasks fell due while the broker answered nothing", func() bool { return progress().Due == tasks })
	if p := progress(); p.Sent > publishers || p.Done != 0 {
		t.Errorf("%+v with %d publishers and a broker that does not answer", p, publishers)
	}
	close(gate)
	r := <-result
	if r.Asked != tasks || r.OK != tasks || r.Queue < tasks-publishers-1 {
		t.Errorf("report %v", r)
	}
	if r.Lag.Max < 150*time.Millisecond || r.Schedule.P50 > r.Lag.P50 {
		t.Errorf("the wait for publishers is not seen as lag: %+v", r)
	}
	for seq := range uint64(tasks) {
		if want := int64(seq) * 1e6; b.tasks[seq].Due != want {
			t.Fatalf("task %d became due at %d, planned for %d", seq, b.tasks[seq].Due, want)
		}
	}
}

func TestOutcomes(t *testing.T) {
	refused, vague := brokers.Refusef("queue is full"), errors.New("connection lost before the confirm")
	b := &book{}
	r, err := Run(t.Context(), Plan{
		Due: Constant(200, 300*time.Millisecond), Message: numbered, Record: b, Publishers: 1, Connections: 1,
		Open: opens(func(_ context.Context, m brokers.Message) error {
			switch m.CorrelationID {
			case "0":
				return vague
			case "20":
				return refused
			}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.tasks[0].Publish; got != ledger.PublishUnknown {
		t.Errorf("a publish whose confirm was lost has outcome %v, want unknown", got)
	}
	if b.tasks[20].Publish != ledger.PublishFailed {
		t.Errorf("a refused publish has outcome %v, want failed", b.tasks[20].Publish)
	}
	if r.Unknown != 1 || r.Failed < 1 || r.OK+r.Failed+r.Unknown != 60 || r.Reconnects != 2 || len(b.wrong) > 0 {
		t.Errorf("report %+v, %v", r, b.wrong)
	}
}

func TestOutageFailsTasksAndEnds(t *testing.T) {
	var down, reached atomic.Bool
	var n atomic.Int64
	r, err := Run(t.Context(), Plan{
		Due: Constant(500, 900*time.Millisecond), Message: numbered, Publishers: 8,
		Open: func(context.Context) (brokers.Broker, error) {
			if down.Load() {
				return nil, syscall.ECONNREFUSED
			}
			return publisher(func(_ context.Context, m brokers.Message) error {
				switch n.Add(1) {
				case 100:
					down.Store(true)
					time.AfterFunc(300*time.Millisecond, func() { down.Store(false) })
				}
				if down.Load() {
					return errors.New("connection reset")
				}
				reached.Store(m.CorrelationID == "449")
				return nil
			}), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// About 150 tasks fall into the outage, and some more into the pause before the reconnect that ends it.
	if r.Asked != 450 || r.Offered != 450 || r.Failed < 50 || r.Failed > 300 || r.Unknown < 1 || r.Unknown > 16 {
		t.Errorf("report %+v", r)
	}
	if !reached.Load() || r.Reconnects < 1 {
		t.Errorf("publishing was not resumed after the outage: %+v", r)
	}
}

func TestPublishTimesOut(t *testing.T) {
	r, err := Run(t.Context(), Plan{
		Due: Burst(4, time.Second, time.Millisecond), Message: numbered, Timeout: 20 * time.Millisecond,
		Open: opens(func(ctx context.Context, _ brokers.Message) error { <-ctx.Done(); return ctx.Err() }),
	})
	if err != nil || r.Unknown != 4 {
		t.Errorf("report %v, %v: want four of unknown outcome", r, err)
	}
}

func TestCancelReportsWhatWasDone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	var n atomic.Int64
	r, err := Run(ctx, Plan{
		Due: Constant(1000, time.Hour), Message: numbered, Publishers: 2,
		Open: opens(func(ctx context.Context, _ brokers.Message) error {
			if n.Add(1) > 10 {
				time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
				<-ctx.Done()
			}
			return ctx.Err()
		}),
	})
	if !errors.Is(err, why) || r.OK < 9 || r.Unsent == 0 || r.Offered+r.Unsent != r.Asked {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestNoLoadWithoutABroker(t *testing.T) {
	_, err := Run(t.Context(), Plan{
		Due: Constant(1, time.Second), Message: numbered,
		Open: func(context.Context) (brokers.Broker, error) { return nil, syscall.ECONNREFUSED },
	})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if _, err := Run(t.Context(), Plan{Publishers: -1}); err == nil {
		t.Error("an empty plan was run")
	}
}

func TestLowRateLeavesTheProcessorAlone(t *testing.T) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := cpu()
	const span = 700 * time.Millisecond
	if _, err := Run(t.Context(), Plan{
		Due: Constant(200, span), Message: numbered,
		Open: opens(func(context.Context, brokers.Message) error { return nil }),
	}); err != nil {
		t.Fatal(err)
	}
	// A pacer that spins uses all of a core; one that sleeps some hundredths of it.
	if used := cpu() - before; used > span/3 {
		t.Errorf("200 tasks a second cost %v of processor time in %v", used, span)
	}
}
