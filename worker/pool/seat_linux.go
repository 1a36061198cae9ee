package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"taskbench/brokers"
)

// killDelay is how long a signal of Kill's has to be heeded by what the task has started, before SIGKILL.
const killDelay = 100 * time.Millisecond

// A seat is where one job at a time runs in a child, as the parent sees it.
type seat struct {
	child *process
	index uint32
	note  *note
	count uint64 // jobs sent

	// Guarded by the child's mu.
	running   bool
	attempt   uint64
	condemned bool // Kill has decided on the attempt that runs
}

// addSeat makes one more seat in the child.
func (p *process) addSeat() *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.seats)
	s := &seat{child: p, index: uint32(i), note: &p.book.notes[i]}
	p.seats = append(p.seats, s)
	return s
}

// occupied tells whether the child has a job.
func (p *process) occupied() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy > 0
}

// terminate kills the child if it runs the attempt.
func (p *process) terminate(attempt uint64, sig syscall.Signal) bool {
	s := p.find(attempt)
	if s == nil || !s.condemn(attempt) {
		return false
	}
	p.meant.Store(true)
	if sig == syscall.SIGKILL {
		p.kill()
		return true
	}
	p.signal(sig)
	time.AfterFunc(killDelay, p.kill)
	return true
}

// find returns the seat in which the attempt runs.
func (p *process) find(attempt uint64) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.seats {
		if s.running && s.attempt == attempt {
			return s
		}
	}
	return nil
}

// condemn decides that the attempt is to be killed, unless it has ended.
func (s *seat) condemn(attempt uint64) bool {
	s.child.mu.Lock()
	defer s.child.mu.Unlock()
	s.condemned = s.running && s.attempt == attempt && s.note.decide(s.count)
	return s.condemned
}

// run gives the job to a prefork child and follows it to its end, or the child's; again says that the child is free
// for the next. The child may have that before whoever wanted to know of the start has come to terms with it.
func (s *seat) run(j *Job, log *slog.Logger) (r Result, again bool) {
	c := s.child
	s.begin(j)
	if c.out != nil {
		c.out.begin(j)
		defer c.out.end(j)
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	_, hard := j.Limits()
	limit := deadline{file: c.jobs}
	err := c.write(j.frame)
	for err == nil {
		var payload []byte
		if payload, err = limit.read(c); err != nil {
			if !limit.passed(err) {
				break
			}
			err = limit.expire(s)
			continue
		}
		var rest []byte
		var kind byte
		if kind, _, rest, err = about(payload); err != nil {
			break
		}
		switch kind {
		case frameStarted:
			if hard > 0 {
				err = limit.set(time.Now().Add(hard))
			}
			if j.Started != nil {
				telling.Go(j.Started)
			}
		case frameSend:
			err = s.publish(j, rest)
		case frameDone:
			var leaving bool
			if r, leaving, err = decodeDone(rest); err != nil {
				break
			}
			free := s.end() && !leaving
			limit.clear()
			c.proven.Store(true)
			if leaving {
				c.retire()
			}
			return r, free
		default:
			err = fmt.Errorf("pool child %d said something of kind %q", c.pid(), kind)
		}
	}
	r = s.lost()
	if limit.over {
		r = overdue(hard, c.pid())
		log.Warn("pool child killed at the hard time limit of its task", "task", j.Task.Name, "id", j.Task.ID, "limit", hard, "pid", c.pid())
	}
	return r, false
}

// begin notes that a job runs.
func (s *seat) begin(j *Job) {
	binary.BigEndian.PutUint32(j.frame[atSeat:], s.index)
	s.child.mu.Lock()
	defer s.child.mu.Unlock()
	s.count++
	s.running, s.attempt = true, j.Attempt
}

// end notes that it does not any more; false says that Kill has decided so as well, and the child is doomed.
func (s *seat) end() bool {
	s.child.mu.Lock()
	defer s.child.mu.Unlock()
	s.running = false
	return !s.condemned
}

// publish does for a task what its function asks for.
func (s *seat) publish(j *Job, rest []byte) error {
	m, err := decodeMessage(rest)
	switch {
	case err != nil:
		err = brokers.Refusef("publish for a task: %w", err)
	case j.Send == nil:
		err = errNoSend
	default:
		err = j.Send(m)
	}
	return s.child.write(appendAnswer(nil, s.index, err))
}

// lost tells what became of the job that a dead or dying child held. The child's own notes outlive it.
func (s *seat) lost() Result {
	c := s.child
	c.kill() // in case that it only closed its end
	<-c.gone
	if !s.end() {
		return terminated(c.pid())
	}
	if s.note.taken.Load() != s.count {
		return Result{}
	}
	if ended := s.note.ended.Load(); ended>>8 == s.count {
		r := Result{
			Status: Status(ended &^ withValue),
			Err:    errors.New("the pool child died before it could say more"),
			After:  time.Duration(s.note.after.Load()),
			PID:    c.pid(),
		}
		if r.Status != OK || ended&withValue != 0 {
			r.Exception = workerLost("the task ended, but what it ended with was lost with its worker process")
		}
		return r
	}
	text := "Worker exited prematurely: " + c.cmd.ProcessState.String()
	return Result{Status: Killed, PID: c.pid(), Err: errors.New(text), Exception: workerLost(text)}
}
