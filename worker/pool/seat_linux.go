package pool

import (
	"encoding/binary"
	"errors"
	"time"

	"taskbench/brokers"
)

// A seat is where one job at a time runs in a green child, as the parent sees it.
type seat struct {
	child *process
	index uint32
	note  *note
	count uint64 // jobs sent

	// Guarded by the child's mu.
	running bool
	attempt uint64
}

// occupied tells whether the child has a job.
func (p *process) occupied() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy > 0
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

// begin notes that a job runs.
func (s *seat) begin(j *Job) {
	binary.BigEndian.PutUint32(j.frame[atSeat:], s.index)
	s.child.mu.Lock()
	defer s.child.mu.Unlock()
	s.count++
	s.note.offer(s.count)
	s.running, s.attempt = true, j.Attempt
}

// end notes that it does not any more.
func (s *seat) end() {
	s.child.mu.Lock()
	defer s.child.mu.Unlock()
	s.running = false
}

// publish does for a seat's task what its function asks for.
func (p *process) publish(j *Job, index uint32, rest []byte) error {
	m, err := decodeMessage(rest)
	switch {
	case err != nil:
		err = brokers.Refusef("publish for a task: %w", err)
	case j.Send == nil:
		err = errNoSend
	default:
		err = j.Send(m)
	}
	return p.write(appendAnswer(nil, index, err))
}

// bury waits for the end of a child that is dead or dying.
func (p *process) bury() {
	p.kill() // in case that it only closed its end
	<-p.gone
}

// lost tells what became of the job that a dead child had. The child's own notes outlive it.
func (p *process) lost(n *note, number uint64) Result {
	if !n.begun(number) {
		return Result{}
	}
	t := n.turn(number)
	if ended := t.ended.Load(); ended>>8 == number {
		r := Result{
			Status: Status(ended &^ withValue),
			Err:    errors.New("the pool child died before it could say more"),
			After:  time.Duration(t.after.Load()),
			PID:    p.pid(),
		}
		if r.Status != OK || ended&withValue != 0 {
			r.Exception = WorkerLost("the task ended, but what it ended with was lost with its worker process")
		}
		return r
	}
	text := "Worker exited prematurely: " + p.cmd.ProcessState.String()
	return Result{Status: Killed, PID: p.pid(), Err: errors.New(text), Exception: WorkerLost(text)}
}
