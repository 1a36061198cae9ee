package pool

import (
	"errors"
	"fmt"
	"time"
)

// A child that dies before it has done anything for this long was young.
const young = time.Second

// backoff is how long a place stays empty after so many young deaths in a row: the first is made good at once.
func backoff(deaths int) time.Duration {
	if deaths < 2 {
		return 0
	}
	return min(50*time.Millisecond<<min(deaths-2, 10), 2*time.Second)
}

// keep sees to it that a place in the pool always has a child. It tells first how the first one fared.
func (p *prefork) keep(place int, first chan<- error) {
	defer p.keepers.Done()
	log := p.settings.Log
	deaths := 0
	for {
		c, err := p.start()
		if err == nil {
			p.seat(place, c)
			if err = p.greet(c); err == nil {
				select {
				case first <- nil:
				default:
				}
				p.offer(c)
				p.attend(c)
			}
			p.seat(place, nil)
			p.sweep()
		}
		if p.ended() {
			return
		}
		switch {
		case err != nil:
			select {
			case first <- err:
			default:
			}
			deaths++
			log.Error("pool child did not start", "place", place, "err", err, "again_in", backoff(deaths))
		case c.parted.Load():
			deaths = 0
			log.Debug("pool child replaced as configured", "pid", c.pid())
		case c.proven.Load() || time.Since(c.born) > young:
			deaths = 0
			log.Warn("pool child lost", "pid", c.pid(), "state", c.cmd.ProcessState)
		default:
			deaths++
			log.Warn("pool child lost", "pid", c.pid(), "state", c.cmd.ProcessState, "again_in", backoff(deaths))
		}
		select {
		case <-time.After(backoff(deaths)):
		case <-p.closing:
			return
		}
	}
}

// start forks on the parent thread.
func (p *prefork) start() (c *process, err error) {
	done := make(chan struct{})
	select {
	case p.starts <- func() { c, err = fork(p.env); close(done) }:
		<-done
		return c, err
	case <-p.closing:
		return nil, errors.New("start a pool child: the pool is closed")
	}
}

// greet waits for the child's word that it is ready. There is no bound on a slow start: a bound that is too tight
// kills every child again and again.
func (p *prefork) greet(c *process) error {
	heard := make(chan error, 1)
	go func() {
		payload, err := readFrame(c.in)
		if err == nil && string(payload) != string(frameHello) {
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
	case <-p.closing:
		c.kill()
		<-c.gone
		<-heard //nolint:errcheck // the child was killed, so that it is known
		c.release()
		return errors.New("start a pool child: the pool is closed")
	}
}

// attend stays until the child is gone; when the pool closes, it makes the child go.
func (p *prefork) attend(c *process) {
	select {
	case <-c.gone:
	case <-p.closing:
		c.leash.Close()
		select {
		case <-c.gone:
		case <-time.After(heed):
			c.kill()
			<-c.gone
		}
	}
	c.release()
}

func (p *prefork) seat(place int, c *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.children[place] = c
}

func (p *prefork) ended() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}
