package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A child that dies before it has done anything for this long was young.
const young = time.Second

// heed is how long cancelled attempts get before their children are killed, and idle children to leave.
const heed = time.Second

// backoff is how long a place stays empty after so many young deaths in a row: the first is made good at once.
func backoff(deaths int) time.Duration {
	if deaths < 2 {
		return 0
	}
	return min(50*time.Millisecond<<min(deaths-2, 10), 2*time.Second)
}

// A keeper sees to it that every place has a child.
type keeper struct {
	settings Settings
	mould    mould
	eager    bool           // a retired child is replaced before it has gone
	up       func(*process) // a child is ready for work; mu is held
	starts   chan func()    // run on the thread that is every child's parent
	closing  chan struct{}
	keepers  sync.WaitGroup
	closed   sync.Once

	mu      sync.Mutex
	places  []*place
	alive   map[*process]bool
	changed chan struct{} // closed, and made anew, when a child is up or gone
}

// A place is to have one child at any time.
type place struct {
	number int
	child  *process      // nil while there is none
	leave  chan struct{} // closed when the place is given up
}

func (k *keeper) init(s Settings, m mould, up func(*process)) {
	k.settings, k.mould, k.up = s, m, up
	k.starts, k.closing = make(chan func()), make(chan struct{})
	k.alive, k.changed = make(map[*process]bool), make(chan struct{})
	go k.parent()
}

// parent holds one thread for as long as the pool lives: children are killed when the thread that started them
// ends, and the threads of other goroutines may end at any time.
func (k *keeper) parent() {
	runtime.LockOSThread()
	for {
		select {
		case start := <-k.starts:
			start()
		case <-k.closing:
			k.keepers.Wait()
			runtime.UnlockOSThread()
			return
		}
	}
}

// open makes so many places and waits for the first child, or for ctx.
func (k *keeper) open(ctx context.Context, places int) error {
	first := make(chan error, max(places, 1))
	if places == 0 {
		first <- nil
	}
	k.mu.Lock()
	for range places {
		k.add(first)
	}
	k.mu.Unlock()
	var err error
	select {
	case err = <-first:
	case <-ctx.Done():
		err = fmt.Errorf("start a pool: wait for its first child: %w", context.Cause(ctx))
	}
	if err != nil {
		k.close()
		return err
	}
	trim() // this process, too, has started
	return nil
}

// add makes one more place; k.mu is held. First, unless nil, is told how its first child fares.
func (k *keeper) add(first chan<- error) {
	pl := &place{number: len(k.places), leave: make(chan struct{})}
	k.places = append(k.places, pl)
	k.keepers.Add(1)
	go func() {
		defer k.keepers.Done()
		k.keep(pl, first)
	}()
}

// keep sees to it that a place always has a child. It tells first how the first one fared.
func (k *keeper) keep(pl *place, first chan<- error) {
	deaths := 0
	for {
		c, err := k.start()
		if err == nil {
			if err = k.greet(c); err == nil {
				k.seat(pl, c)
			}
			report(first, err)
			if err == nil && k.attend(pl, c) {
				return
			}
		} else {
			report(first, err)
		}
		first = nil
		if k.ended() {
			return
		}
		wait := k.judge(pl, c, err, &deaths)
		if wait == 0 {
			continue
		}
		select {
		case <-time.After(wait):
		case <-pl.leave:
			return
		case <-k.closing:
			return
		}
	}
}

func report(first chan<- error, err error) {
	if first != nil {
		first <- err // there is room for one from each place
	}
}

// judge says what became of a child, and how long its place is to stay empty.
func (k *keeper) judge(pl *place, c *process, err error, deaths *int) time.Duration {
	log := k.settings.Log
	switch {
	case err != nil:
		*deaths++
		log.Error("pool child did not start", "place", pl.number, "err", err, "again_in", backoff(*deaths))
	case c.meant.Load():
		*deaths = 0
		log.Debug("pool child replaced", "pid", c.pid())
	case c.proven.Load() || time.Since(c.born) > young:
		*deaths = 0
		log.Warn("pool child lost", "pid", c.pid(), "state", c.cmd.ProcessState)
	default:
		*deaths++
		log.Warn("pool child lost", "pid", c.pid(), "state", c.cmd.ProcessState, "again_in", backoff(*deaths))
	}
	return backoff(*deaths)
}

// start forks on the parent thread.
func (k *keeper) start() (c *process, err error) {
	done := make(chan struct{})
	select {
	case k.starts <- func() { c, err = k.mould.fork(); close(done) }:
		<-done
		return c, err
	case <-k.closing:
		return nil, errors.New("start a pool child: the pool is closed")
	}
}

// greet waits for the child's word that it is ready. There is no bound on a slow start: a bound that is too tight
// kills every child again and again.
func (k *keeper) greet(c *process) error {
	heard := make(chan error, 1)
	go func() {
		payload, err := readFrame(c.in)
		if err == nil && (len(payload) == 0 || payload[0] != frameHello) {
			err = fmt.Errorf("it said %q instead of hello", payload)
		}
		heard <- err
	}()
	select {
	case err := <-heard:
		if err == nil {
			return nil
		}
		c.kill()
		<-c.gone
		c.release()
		return fmt.Errorf("pool child %d ended before it was ready (%v: %w): does main, or TestMain, call worker.Main first?", c.pid(), c.cmd.ProcessState, err)
	case <-k.closing:
		c.kill()
		<-c.gone
		<-heard //nolint:errcheck // the child was killed, so that it is known
		c.release()
		return errors.New("start a pool child: the pool is closed")
	}
}

// attend stays while the child has its place, and sees it off. True says that the place was given up.
func (k *keeper) attend(pl *place, c *process) (given bool) {
	var retired <-chan struct{}
	if k.eager {
		retired = c.retired
	}
	leave := pl.leave
	for {
		select {
		case <-c.gone:
		case <-k.closing:
		case <-leave:
			leave, given = nil, true
			c.retire()
			continue
		case <-retired:
			k.keepers.Add(1)
			go func() {
				defer k.keepers.Done()
				k.seeOff(c)
			}()
			k.seat(pl, nil)
			return given
		}
		k.seeOff(c)
		k.seat(pl, nil)
		return given
	}
}

// seeOff stays until the child is gone; when the pool closes, it makes the child go.
func (k *keeper) seeOff(c *process) {
	select {
	case <-c.gone:
	case <-k.closing:
		c.meant.Store(true)
		c.cut.Store(c.occupied())
		c.leash.Close()
		select {
		case <-c.gone:
		case <-time.After(heed):
			c.kill()
			<-c.gone
		}
	}
	c.release()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.alive, c)
	k.tellAll()
}

func (k *keeper) seat(pl *place, c *process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pl.child = c; c != nil {
		k.alive[c] = true
		k.up(c)
	}
	k.tellAll()
}

// tellAll wakes whoever waits for a change; k.mu is held.
func (k *keeper) tellAll() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *keeper) ended() bool {
	select {
	case <-k.closing:
		return true
	default:
		return false
	}
}

func (k *keeper) close() {
	k.closed.Do(func() {
		close(k.closing)
		k.keepers.Wait()
	})
}
