package faults

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// bounded is a server whose queue takes no more than its limit once it has one, if it answers at all.
type bounded struct {
	lab.Node
	brokers.Broker
	opens time.Duration // how long it takes to connect

	mu             sync.Mutex
	waiting, limit int
	silent         bool // beyond the limit
}

func (*bounded) Info() lab.Info { return lab.Info{Name: "broker"} }
func (*bounded) Close() error   { return nil }

func (b *bounded) Publish(ctx context.Context, _ brokers.Message) error {
	<-time.After(5 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.limit == 0 || b.waiting < b.limit:
		b.waiting++
		return nil
	case b.silent:
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("the queue is full")
}

func (b *bounded) target(length int) Target {
	return Target{Broker: node{b}, Driver: brokers.Driver{
		Name: "bounded",
		Open: func(context.Context, string, brokers.Variant) (brokers.Broker, error) {
			<-time.After(b.opens)
			return b, nil
		},
		Server: brokers.ServerSpec{Limits: []brokers.Limit{{Name: brokers.LimitLength, Reach: func(context.Context, brokers.Console, string) (string, func(context.Context) error, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.limit = length
			return "it has a limit", func(context.Context) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.limit = 0
				return nil
			}, nil
		}}}},
	}}
}

// node is the server as a lab has it.
type node struct{ *bounded }

func (n node) Close(context.Context) error { return nil }

// A queue that may be long is full, too, when its limit is in force; and a server that says nothing has refused nothing.
func TestLimitOfALongQueue(t *testing.T) {
	f, err := Find("queue-limit", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(time.Second, map[string]string{"length": "5000"})
	if err != nil {
		t.Fatal(err)
	}
	for silent, want := range map[bool]string{false: "it has a limit; a publish is not taken: the queue is full", true: "no publish was refused within 20s: the last had no answer"} {
		synctest.Test(t, func(t *testing.T) {
			b := &bounded{opens: 30 * time.Millisecond, silent: silent}
			e, err := f.Inject(t.Context(), b.target(5000), a)
			got := e.Proof
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, want) || (err != nil) != silent {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
			if e.Heal != nil {
				if said, err := e.Heal(t.Context()); err != nil || !strings.Contains(said, "taken again") {
					t.Errorf("healed: %q, %v", said, err)
				}
			}
		})
	}
}

// purged is a server that cannot purge anything at first.
type purged struct {
	bounded
	from   time.Time
	purges int
}

func (p *purged) Purge(context.Context, string) (int, error) {
	if p.purges++; time.Now().Before(p.from) {
		return 0, errors.New("nobody leads the queue")
	}
	return 0, nil
}

func TestPurgeWaitsForALeader(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "", purgeWithin / 2: "", 2 * purgeWithin: "nobody leads"} {
		synctest.Test(t, func(t *testing.T) {
			p := &purged{from: time.Now().Add(after)}
			target := p.target(1)
			target.Driver.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return p, nil }
			began := time.Now()
			err := purge(t.Context(), target)
			if took := time.Since(began); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || took > purgeWithin+time.Second || after == 0 && p.purges != 1 {
				t.Errorf("led after %v: %v, asked %d times in %v", after, err, p.purges, took)
			}
		})
	}
}

// losing is a server that hands one message out, and takes it away after a time.
type losing struct {
	bounded
	after time.Duration
	came  chan brokers.Delivery
}

func (b *losing) Consume(context.Context, []string, int) (brokers.Consumer, error) {
	b.came = make(chan brokers.Delivery, 1)
	b.came <- nil
	time.AfterFunc(b.after, func() { close(b.came) })
	return b, nil
}
func (b *losing) Deliveries() <-chan brokers.Delivery { return b.came }
func (*losing) SetPrefetch(int) error                 { return nil }
func (*losing) Err() error                            { return errors.New("gone") }

// A message that is lost before its time is over is no proof that the time is what ends it.
func TestWhatIsLostBeforeItsTimeProvesNothing(t *testing.T) {
	for after, proved := range map[time.Duration]bool{10 * time.Millisecond: false, 1010 * time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			b := &losing{after: after}
			target := b.target(0)
			target.Driver.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return b, nil }
			said, err := heldBriefly(t.Context(), target, time.Second)
			if (err == nil) != proved || err != nil && !strings.Contains(err.Error(), "it may be held for 1s") {
				t.Errorf("lost after %v: %q, %v", after, said, err)
			}
		})
	}
}
