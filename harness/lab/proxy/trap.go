package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/harness/lab/proxy/step"
)

// watch is what a proxy that reads along knows of the steps.
type watch struct {
	parser atomic.Pointer[func() step.Parser] // nil: nobody watches

	mu       sync.Mutex
	seen     map[step.Step]int64
	traps    []*Trap
	unclear  int   // links that are not understood
	whyFirst error // of them
}

// Watch has the connections that are accepted from now on read by a parser of their own each. Until then no connection is
// looked into, and it costs nothing. It does not stop before the proxy does.
func (p *Proxy) Watch(parser func() step.Parser) { p.watch.parser.Store(&parser) }

// A Hit is a connection that has come to a step and stands still.
type Hit struct {
	Step   step.Step
	Nth    int
	Link   uint64              // the connection, as the proxy counts them
	Client netip.AddrPort      // the client's end of it
	Steps  map[step.Step]int64 // how many messages have come to each step since the trap was set, this one included
}

// String says what was hit and what has become of it: "ack 100 on connection 3 was seen and withheld from the server".
func (h Hit) String() string {
	return fmt.Sprintf("%s %d on connection %d was %s", h.Step, h.Nth, h.Link, h.Step.Info().Hit)
}

// A Trap waits for a step. From the moment when the connection comes to it until Release, nothing passes on that
// connection in either direction but what was being written in just that moment, so that a fault can be put in force
// there.
type Trap struct {
	proxy  *Proxy
	step   step.Step
	nth    int64
	sides  []Side              // whose connections it waits for; none is both
	come   int64               // how many messages of theirs have come to the step
	before map[step.Step]int64 // what had been seen when it was set
	link   uint64
	client netip.AddrPort
	steps  map[step.Step]int64
	sprung chan struct{} // closed once the link stands still

	once     sync.Once
	released chan struct{}
	full     bool // it has its message; watch.mu guards it
}

// ErrUnwatched is returned by Arm on a proxy that does not watch.
var ErrUnwatched = errors.New("the fault proxy does not read along")

// Arm sets a trap for the nth message that comes to the step from now on, on whatever connection of the sides (none given:
// both). It must be released.
func (p *Proxy) Arm(s step.Step, nth int, sides ...Side) (*Trap, error) {
	if p.watch.parser.Load() == nil {
		return nil, ErrUnwatched
	}
	if s.Info().Step == "" || nth < 1 {
		return nil, fmt.Errorf("trap for message %d at step %q: there is no such", nth, s)
	}
	w := &p.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &Trap{
		proxy: p, step: s, nth: int64(nth), sides: sides, before: maps.Clone(w.seen),
		sprung: make(chan struct{}), released: make(chan struct{}),
	}
	w.traps = append(w.traps, t)
	return t, nil
}

// Sprung is closed once a connection stands at the step.
func (t *Trap) Sprung() <-chan struct{} { return t.sprung }

// Hit is what was hit; it is whole once Sprung is closed.
func (t *Trap) Hit() Hit { return Hit{t.step, int(t.nth), t.link, t.client, t.steps} }

// Of says whose connections it waits for, as in " of workers"; "" where it is everybody's.
func (t *Trap) Of() string {
	if len(t.sides) == 0 {
		return ""
	}
	var names []string
	for _, s := range t.sides {
		names = append(names, string(s))
	}
	return " of " + strings.Join(names, " and ")
}

// Steps is how many messages have come to each step since the trap was set.
func (t *Trap) Steps() map[step.Step]int64 {
	w := &t.proxy.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since(t.before)
}

// Release lets the connection go on, or takes the trap away. A second call does nothing.
func (t *Trap) Release() {
	t.once.Do(func() {
		w := &t.proxy.watch
		w.mu.Lock()
		w.traps = slices.DeleteFunc(w.traps, func(o *Trap) bool { return o == t })
		w.mu.Unlock()
		close(t.released)
	})
}

// Strange says how many connections were not understood, and of one of them why; "" where all were.
func (p *Proxy) Strange() string {
	w := &p.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unclear == 0 {
		return ""
	}
	return fmt.Sprintf("%d connections were not understood, the first because %v", w.unclear, w.whyFirst)
}

func (w *watch) strange(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unclear == 0 {
		w.whyFirst = why
	}
	w.unclear++
}

// note counts what came on a connection of a side, and returns the trap that it springs, if any.
func (w *watch) note(e step.Event, from Side) (sprung *Trap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[step.Step]int64{}
	}
	w.seen[e.Step] += int64(e.Count)
	for _, t := range w.traps {
		if t.step != e.Step || len(t.sides) > 0 && !slices.Contains(t.sides, from) {
			continue
		}
		t.come += int64(e.Count)
		if sprung == nil && !t.full && t.come >= t.nth {
			t.full = true
			t.steps = w.since(t.before)
			sprung = t
		}
	}
	return sprung
}

// spare sets a trap again that was not sprung after all.
func (w *watch) spare(t *Trap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.full = false
}

// since is what has been seen after a moment; w.mu is held.
func (w *watch) since(before map[step.Step]int64) map[step.Step]int64 {
	after := map[step.Step]int64{}
	for s, n := range w.seen {
		if n -= before[s]; n > 0 {
			after[s] = n
		}
	}
	return after
}

// A stop is where a link stands still.
type stop struct{ at atomic.Pointer[Trap] }

// readGrace is how long a receiver has to read what was passed on to it, before anything is done to its link.
const readGrace = 20 * time.Millisecond

// stopAt has the link stand still until the trap is released, behind the step where it was passed on. A link that
// already stands still has to go on first.
func (l *link) stopAt(t *Trap, passed bool) {
	for !l.stop.at.CompareAndSwap(nil, t) {
		if !l.goOn() {
			break // and nothing more passes there
		}
	}
	t.link, t.client = l.serial, l.client.RemoteAddr().(*net.TCPAddr).AddrPort()
	if passed { // a receiver that is reset before it has read loses what it was sent
		grace := time.NewTimer(readGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
		case <-l.ended:
		}
	}
	close(t.sprung)
}

// goOn waits while the link stands still, and returns false when it is reset meanwhile.
func (l *link) goOn() bool {
	t := l.stop.at.Load()
	if t == nil {
		return true
	}
	select {
	case <-t.released:
		l.stop.at.CompareAndSwap(t, nil)
		return true
	case <-l.ended:
		return false
	}
}
