package pool

import (
	"runtime"
	"sync"
)

// A crew is a number of goroutines that are each locked to a thread for life, so that what foreign code keeps by
// thread stays with them, and is gone with them.
type crew struct {
	work  chan func() bool // what a thread returns false from was its last
	leave chan struct{}    // a token for each thread that is one too many
	over  chan struct{}
	once  sync.Once
}

func newCrew() *crew {
	return &crew{work: make(chan func() bool), leave: make(chan struct{}, 2*mostSlots), over: make(chan struct{})}
}

// do has an idle thread do the work, which need not have ended on return. Callers see to it that there are threads;
// once the crew is dismissed, new ones do what is still to do.
func (c *crew) do(work func() bool) {
	select {
	case c.work <- work:
	case <-c.over:
		go func() {
			runtime.LockOSThread()
			work()
		}()
	}
}

// grow adds threads; below 0, it sends idle ones away.
func (c *crew) grow(by int) {
	for range -by {
		c.leave <- struct{}{}
	}
	for range by {
		select {
		case <-c.leave: // one that was to leave may stay
		default:
			go c.serve()
		}
	}
}

func (c *crew) serve() {
	runtime.LockOSThread() // never undone: the thread ends with the goroutine
	for {
		select {
		case <-c.leave:
			return
		default:
		}
		select {
		case work := <-c.work:
			if !work() {
				return
			}
		case <-c.leave:
			return
		case <-c.over:
			return
		}
	}
}

// dismiss lets the threads end when they are idle.
func (c *crew) dismiss() { c.once.Do(func() { close(c.over) }) }
