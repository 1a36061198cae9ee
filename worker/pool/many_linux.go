package pool

import (
	"bufio"
	"context"
	"sync"
	"sync/atomic"
)

// A lodger is what a green child keeps for each seat.
type lodger struct {
	sender
	count   uint64 // jobs
	answers chan []byte

	lock    sync.Mutex
	attempt uint64
	cancel  context.CancelCauseFunc // nil while there is no job
}

// serveMany runs jobs as they come, until the parent is gone or wants this child gone.
func (c *child) serveMany(ctx context.Context) {
	in := bufio.NewReaderSize(c.jobs, 16<<10)
	var seats []*lodger
	var done atomic.Uint64
	for {
		payload, err := readFrame(in)
		if err != nil {
			return
		}
		kind, index, rest, err := about(payload)
		if err != nil || int(index) >= len(c.notes) {
			return
		}
		for int(index) >= len(seats) {
			l := &lodger{answers: make(chan []byte, 1)}
			l.sender = sender{child: c, seat: uint32(len(seats)), answer: func() ([]byte, error) { return <-l.answers, nil }}
			seats = append(seats, l)
		}
		l := seats[index]
		switch kind {
		case frameJob:
			l.count++
			ctx, cancel := context.WithCancelCause(ctx)
			l.begin(rest, cancel)
			go c.lodge(ctx, l, l.count, rest, &done)
		case frameAnswer:
			l.answers <- payload
		case frameCancel:
			if attempt, cause, err := decodeCancel(rest); err == nil {
				l.stop(attempt, cause)
			}
		}
	}
}

// lodge runs a seat's n-th job.
func (c *child) lodge(ctx context.Context, l *lodger, n uint64, rest []byte, done *atomic.Uint64) {
	c.notes[l.seat].take(n) // nobody recalls what a green child was sent
	l.open()
	r := c.job(ctx, &c.notes[l.seat], n, rest, &l.sender)
	l.close()
	l.end(nil)
	_ = c.write(appendDone(nil, l.seat, r, c.leaving(done.Add(1)))) // a lost parent ends this process
}

// begin notes which attempt has the seat.
func (l *lodger) begin(rest []byte, cancel context.CancelCauseFunc) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.attempt, l.cancel = attemptOf(rest), cancel
}

// end ends the context of the attempt that has the seat, if it has one.
func (l *lodger) end(cause error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.cancel != nil {
		l.cancel(cause)
		l.cancel = nil
	}
}

// stop ends the context of that attempt.
func (l *lodger) stop(attempt uint64, cause error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.cancel != nil && l.attempt == attempt {
		l.cancel(cause)
	}
}
