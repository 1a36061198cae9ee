package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 1000

// A Claimed is one message that was claimed: a row, which a number names.
type Claimed struct {
	ID       int64
	Queue    string
	Handed   int // how often it was handed out before
	Envelope []byte
}

// An Intake claims for one subscription as long as there is room, and keeps account of what is held. It serves sources
// that take several messages at once from a database. It is safe for concurrent use.
type Intake struct {
	lost    <-chan struct{}
	poked   chan struct{}
	wake    chan struct{}
	ending  chan struct{}
	overdue chan struct{} // closed when a claim has kept the end waiting for too long
	ended   chan struct{} // closed when the claiming has stopped

	mu       sync.Mutex
	prefetch int
	holds    map[int64]string // the queue of each message claimed and not settled
	inbox    []Claimed
	maybe    bool // there may be something to claim
	over     bool // nothing more is to be claimed
}

// NewIntake returns an intake that stops when lost is closed. Prefetch 0 stands for 1000.
func NewIntake(prefetch int, lost <-chan struct{}) *Intake {
	i := &Intake{
		lost: lost, poked: make(chan struct{}, 1), wake: make(chan struct{}, 1), ending: make(chan struct{}),
		overdue: make(chan struct{}), ended: make(chan struct{}), holds: map[int64]string{}, maybe: true,
	}
	i.bound(prefetch)
	Signal(i.poked)
	return i
}

func (i *Intake) bound(n int) {
	if n <= 0 {
		n = unbounded
	}
	i.prefetch = n
}

// Wake is what Signals need.
func (i *Intake) Wake() <-chan struct{} { return i.wake }

// Poke makes the claiming look again: at what there is, or only at how much room there is.
func (i *Intake) Poke(maybe bool) {
	i.mu.Lock()
	i.maybe = i.maybe || maybe
	i.mu.Unlock()
	Signal(i.poked)
}

// Hungry tells whether there is room and nothing to claim that is known of.
func (i *Intake) Hungry() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.maybe && !i.over && i.prefetch > len(i.holds)
}

// room tells how much of it there is, if there is any reason to fill it.
func (i *Intake) room() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	room := i.prefetch - len(i.holds)
	if !i.maybe || room <= 0 {
		return 0
	}
	i.maybe = false // from here on, whoever stores something says so again, or is found by looking
	return room
}

// retry is when a claim that was refused is tried again.
const retry = 100 * time.Millisecond

// Run claims until the intake ends or is lost, and then returns nil; else it returns why it gave up: a claim whose outcome
// nobody knows, or one that was refused for longer than the grace. Claim hands to Hold what it got, and tells how many
// those are. A pace, unless it is nil, has Run look by itself too. Run is called once.
func (i *Intake) Run(claim func(ctx context.Context, room int) (got int, err error), grace time.Duration, pace *Pace) error {
	defer close(i.ended)
	ctx, cancel := While(i.lost, i.overdue)
	defer cancel()
	var tick <-chan time.Time
	again := func() {}
	if pace != nil {
		timer := time.NewTimer(pace.Next())
		defer timer.Stop()
		tick, again = timer.C, func() { timer.Reset(pace.Next()) }
	}
	var failing time.Time
	for {
		select {
		case <-i.poked:
		case <-tick:
			i.Poke(true)
			again()
			continue
		case <-i.ending:
			return nil
		case <-i.lost:
			return nil
		}
		room := i.room()
		if room == 0 {
			continue
		}
		got, err := claim(ctx, room)
		if got > 0 && pace != nil {
			pace.Busy()
			again()
		}
		switch {
		case err == nil:
			failing = time.Time{}
			continue
		case failing.IsZero():
			failing = time.Now()
		}
		// After an answer that did not come the server may have given messages that nobody here knows of.
		if !brokers.Definite(err) || time.Since(failing) > grace {
			return err
		}
		time.AfterFunc(retry, func() { i.Poke(true) })
	}
}

// Hold takes in what was claimed. More says that there may be more of it.
func (i *Intake) Hold(got []Claimed, more bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range got {
		i.holds[c.ID] = c.Queue
	}
	i.inbox = append(i.inbox, got...)
	if more {
		i.maybe = true
		Signal(i.poked)
	}
	if len(got) > 0 {
		Signal(i.wake)
	}
}

// Take is what was claimed and not taken.
func (i *Intake) Take() []Claimed {
	i.mu.Lock()
	defer i.mu.Unlock()
	got := i.inbox
	i.inbox = nil
	return got
}

// Queue is that of a message that is held.
func (i *Intake) Queue(id int64) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.holds[id]
}

// Held are the messages claimed and not settled, in rising order.
func (i *Intake) Held() []int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	ids := make([]int64, 0, len(i.holds))
	for id := range i.holds {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Drop forgets a message that is held no more, and tells whether it was the last of an intake that has ended.
func (i *Intake) Drop(id int64) (spent bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.holds, id)
	return i.over && len(i.holds) == 0
}

// SetPrefetch is that of a Source.
func (i *Intake) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	i.mu.Lock()
	i.bound(n)
	i.mu.Unlock()
	i.Poke(true)
	return nil
}

// End stops the claiming, and gives up a claim that is still under way after so long. It returns what was claimed and not
// taken, and whether nothing is held. It is called once, and Run has been or will be.
func (i *Intake) End(patience time.Duration) (unseen []uint64, spent bool) {
	close(i.ending)
	late := time.AfterFunc(patience, func() { close(i.overdue) })
	<-i.ended
	late.Stop()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.inbox {
		unseen = append(unseen, uint64(c.ID))
	}
	i.inbox, i.over = nil, true
	return unseen, len(i.holds) == 0
}
