package simulation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"taskbench/brokers/memory"
	"taskbench/worker"
)

// A Plan is one schedule: a small system, what it is to do, and what is done to it. It is a function of its seed.
type Plan struct {
	Seed    uint64
	Rules   memory.Rules
	Durable bool // what the broker confirmed outlives its restart

	Workers     int
	Pool        string
	Concurrency int
	Prefetch    int
	ETALimit    int // tasks with a time to come that a worker holds; the others wait in the broker
	Acks        worker.AckPolicy
	Grace       time.Duration
	Control     bool // with remote control and events

	Tasks  []Task
	Faults []Fault // in order of time
}

// Kind is what a task does.
type Kind string

// The kinds. Each but Garbled and Unknown, which are kept aside, comes to an end.
const (
	Noop    Kind = "noop"
	Wait    Kind = "wait"    // for its Duration, which may be longer than a lease
	Fail    Kind = "fail"    // asks for so many retries
	Panic   Kind = "panic"   // fails for good
	Garbled Kind = "garbled" // a body that nobody can read
	Unknown Kind = "unknown" // a task that nobody knows
	Deadly  Kind = "deadly"  // kills its worker, the first so many times
)

// A Task is one message.
type Task struct {
	Due       time.Duration
	Kind      Kind
	Duration  time.Duration
	Times     int
	Countdown time.Duration // not to be run before
}

// A Fault is what is done to one node, or to the broker.
type Fault struct {
	At   time.Duration
	What string
	Node string // "worker-1", "client" or "broker"
	For  time.Duration

	// Of a Step: the connection is cut at the nth of these from At on.
	Step, Moment string
	Nth          int
}

// The faults. Silence is a connection that the broker has dropped and that its client believes in for a while longer.
const (
	Cut     = "cut"
	Silence = "silence"
	Stall   = "stall"
	Restart = "restart" // of the broker
	Crash   = "crash"   // of a worker: what it holds is gone
	Stop    = "stop"    // of a worker, warmly
	Clock   = "clock"   // of the client, which steps by For
	Step    = "step"
)

// Moments of a step: the connection is cut before the broker has the request, after it has done what it says, or the
// request is taken for done, and never arrives.
const (
	Before = "before"
	After  = "after"
	Lost   = "lost"
)

// span is the time over which tasks are due and faults begin.
const span = 20 * time.Second

// Draw makes the plan of a seed.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	p := Plan{
		Seed: seed, Durable: r.IntN(6) > 0,
		Workers: 1 + r.IntN(3), Pool: "goroutine", Concurrency: 1 + r.IntN(4), Prefetch: 1 + r.IntN(8), ETALimit: 20_000,
		Acks: worker.Late, Control: r.IntN(16) == 0,
	}
	if r.IntN(3) == 0 {
		p.Pool, p.Concurrency = "solo", 1
	}
	if r.IntN(4) == 0 {
		p.Acks = worker.Early
	}
	if r.IntN(3) == 0 {
		p.ETALimit = 1 + r.IntN(2)
	}
	if r.IntN(3) == 0 {
		p.Grace = between(r, time.Second, 10*time.Second)
	}
	switch r.IntN(6) {
	case 0:
		p.Rules.Lease = between(r, 3*time.Second, 15*time.Second)
	case 1:
		p.Rules.Visibility = between(r, 3*time.Second, 15*time.Second)
	case 2:
		p.Rules.ConsumerTimeout = between(r, 5*time.Second, 15*time.Second)
	case 3:
		p.Rules.DeliveryLimit = 2 + r.IntN(4)
	}
	for range 6 + r.IntN(20) {
		p.Tasks = append(p.Tasks, drawTask(r))
	}
	slices.SortFunc(p.Tasks, func(a, b Task) int { return cmp.Compare(a.Due, b.Due) })
	for range r.IntN(8) { // none in one plan of eight
		p.Faults = append(p.Faults, p.drawFault(r))
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	if len(p.Faults) == 0 {
		p.Tasks = slices.DeleteFunc(p.Tasks, func(t Task) bool { return t.Kind == Deadly })
	}
	return p
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

func drawTask(r *rand.Rand) Task {
	t := Task{Due: between(r, 0, span), Kind: Noop}
	switch n := r.IntN(32); {
	case n < 12:
		t.Kind, t.Duration = Wait, between(r, time.Millisecond, 800*time.Millisecond)
	case n < 15:
		t.Kind, t.Duration = Wait, between(r, 2*time.Second, 6*time.Second)
	case n < 16:
		t.Kind, t.Duration = Wait, between(r, 5*time.Second, 20*time.Second)
	case n < 20:
		t.Kind, t.Times = Fail, 1+r.IntN(3)
	case n < 21:
		t.Kind = Panic
	case n < 22:
		t.Kind = Garbled
	case n < 23:
		t.Kind = Unknown
	case n < 24:
		t.Kind, t.Times = Deadly, 1+r.IntN(2)
	}
	if r.IntN(5) == 0 && t.Kind != Garbled {
		t.Countdown = between(r, 100*time.Millisecond, 12*time.Second)
	}
	return t
}

func (p *Plan) drawFault(r *rand.Rand) Fault {
	f := Fault{At: between(r, 0, span), Node: fmt.Sprintf("worker-%d", 1+r.IntN(p.Workers))}
	clientToo := func() {
		if r.IntN(4) == 0 {
			f.Node = "client"
		}
	}
	switch n := r.IntN(16); {
	case n < 3:
		f.What = Cut
		clientToo()
	case n < 5:
		f.What, f.For = Silence, between(r, 100*time.Millisecond, 9*time.Second)
		clientToo()
	case n < 7:
		f.What, f.For = Stall, between(r, 100*time.Millisecond, 12*time.Second)
		clientToo()
		if r.IntN(2) == 0 {
			f.Node = "broker"
		}
	case n < 8:
		f.What, f.Node, f.For = Restart, "broker", between(r, time.Millisecond, 5*time.Second)
	case n < 10:
		f.What, f.For = Crash, between(r, time.Millisecond, 3*time.Second)
	case n < 11:
		f.What, f.For = Stop, between(r, time.Millisecond, 3*time.Second)
	case n < 12:
		f.What, f.Node, f.For = Clock, "client", between(r, -5*time.Second, 5*time.Second)
	default:
		f.What, f.Nth = Step, 1+r.IntN(6)
		f.Step = []string{"publish", "ack", "ack", "nack", "delay", "consume"}[r.IntN(6)]
		f.Moment = []string{Before, After}[r.IntN(2)]
		if f.Step == "ack" && r.IntN(3) == 0 {
			f.Moment = Lost
		}
		if f.Step == "publish" && r.IntN(2) == 0 {
			f.Node = "client"
		}
	}
	return f
}

// String is the fault on one line.
func (f Fault) String() string {
	s := fmt.Sprintf("%v %s %s", f.At.Round(time.Microsecond), f.What, f.Node)
	if f.For != 0 {
		s += fmt.Sprintf(" for %v", f.For.Round(time.Microsecond))
	}
	if f.What == Step {
		s += fmt.Sprintf(" %s %s %d", f.Moment, f.Step, f.Nth)
	}
	return s
}

// String is the plan, for people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d workers, pool %s of %d, prefetch %d, eta limit %d, acks %s, grace %v, control %v\n",
		p.Seed, p.Workers, p.Pool, p.Concurrency, p.Prefetch, p.ETALimit, p.Acks, p.Grace, p.Control)
	fmt.Fprintf(&b, "broker: durable %v, lease %v, visibility timeout %v, consumer timeout %v, delivery limit %d\n",
		p.Durable, p.Rules.Lease, p.Rules.Visibility, p.Rules.ConsumerTimeout, p.Rules.DeliveryLimit)
	for i, t := range p.Tasks {
		fmt.Fprintf(&b, "task %d: due %v, %s, duration %v, times %d, countdown %v\n", i, t.Due, t.Kind, t.Duration, t.Times, t.Countdown)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "fault: %s\n", f)
	}
	return b.String()
}
