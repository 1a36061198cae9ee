package load

import (
	"sync"
	"time"
)

// A job is one due task.
type job struct {
	seq uint64
	due time.Duration
}

// A queue holds due tasks until a publisher is free. It has no bound: a task that finds every publisher busy
// is sent late, never dropped, and its due time stays what it was.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond
	jobs   []job // from head on
	head   int
	peak   int
	closed bool
	unsent int
}

func newQueue() *queue {
	q := &queue{}
	q.wake.L = &q.mu
	return q
}

// add appends jobs and wakes one publisher; each that takes a job and leaves others behind wakes the next, so
// that a fast broker is served by few and a slow one by all. After close, jobs count as unsent.
func (q *queue) add(jobs []job) {
	q.mu.Lock()
	if q.closed {
		q.unsent += len(jobs)
		q.mu.Unlock()
		return
	}
	if q.head > len(q.jobs)/2 {
		q.jobs = q.jobs[:copy(q.jobs, q.jobs[q.head:])]
		q.head = 0
	}
	q.jobs = append(q.jobs, jobs...)
	q.peak = max(q.peak, len(q.jobs)-q.head)
	q.mu.Unlock()
	q.wake.Signal()
}

// next waits for a job. It returns false when the queue is closed and empty.
func (q *queue) next() (job, bool) {
	q.mu.Lock()
	for q.head == len(q.jobs) {
		if q.closed {
			q.mu.Unlock()
			return job{}, false
		}
		q.wake.Wait()
	}
	j := q.jobs[q.head]
	q.head++
	more := q.head < len(q.jobs)
	q.mu.Unlock()
	if more {
		q.wake.Signal()
	}
	return j, true
}

// close says that no job will be added. With drop, those that wait are taken out as unsent. It may be called
// again.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	q.closed = true
	if drop {
		q.unsent += len(q.jobs) - q.head
		q.head = len(q.jobs)
	}
	q.mu.Unlock()
	q.wake.Broadcast()
}

// stats are the most jobs that ever waited, and those that were never taken.
func (q *queue) stats() (peak, unsent int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.peak, q.unsent
}
