package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers/feed"
)

const (
	mostHands = 8               // connections of one subscription
	longWait  = 2 * time.Second // for one message; its end shows that the link is alive
	atOnce    = 2 * time.Millisecond
	gulp      = 128 // messages in one exchange

	// How long a consumer waits before it looks again, when all of its hands hold something: at first, and at most.
	firstLook = time.Millisecond
	lastLook  = 25 * time.Millisecond

	dialAgain = 5 * time.Second // after a hand that could not be had
)

// claim reserves messages as slots become free, until the subscription is halted or a link fails.
//
// An empty hand waits in the server, so that a message is there as soon as it is published. As long as there are more,
// the hand that has just been filled asks for them without waiting.
func (s *subscription) claim() {
	defer close(s.idle)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stop:
		case <-s.lost:
		case <-ctx.Done():
		}
		cancel() // of a connecting under way
	}()
	w := wish{n: 1, look: firstLook}
	for !s.halted() {
		room := s.free()
		if room <= 0 {
			s.rest(0)
			continue
		}
		h, wait := s.pick(ctx, &w)
		if h == nil {
			continue // it is lost
		}
		n := min(w.n, room, gulp)
		began := time.Now()
		got, err := s.ask(h, n, wait)
		switch {
		case err != nil:
			if !s.halted() {
				s.lose(fmt.Errorf("reserve messages: %w", err))
			}
			return
		case got == n:
			w.n = min(2*n, gulp)
			w.more = nil
			if !wait || time.Since(began) < atOnce {
				w.more = h
			}
		default:
			w.n, w.more = max(1, got), nil
		}
		if got > 0 || wait && time.Since(began) > atOnce {
			w.look = firstLook
			continue
		}
		s.rest(w.look)
		w.look = min(2*w.look, lastLook)
	}
}

// A wish is what the claimer has learnt of how much there is.
type wish struct {
	n        int   // to ask for
	more     *hand // that may well get more at once
	look     time.Duration
	noDialTo time.Time // when another connection may be tried
}

// rest waits until there is room, or for a time that is not 0.
func (s *subscription) rest(d time.Duration) {
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	select {
	case <-timer:
	case <-s.room:
	case <-s.stop:
	case <-s.lost:
	}
}

func (s *subscription) halted() bool {
	select {
	case <-s.stop:
		return true
	case <-s.lost:
		return true
	default:
		return false
	}
}

func (s *subscription) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit - len(s.holds)
}

// pick returns the hand that is to reserve, and whether it may wait.
func (s *subscription) pick(ctx context.Context, w *wish) (h *hand, wait bool) {
	if w.more != nil {
		return w.more, false
	}
	s.mu.Lock()
	full := len(s.hands) >= mostHands
	for _, one := range s.hands {
		if one.held == 0 {
			h, wait = one, true
			break
		}
		h = one
	}
	s.mu.Unlock()
	if h == nil || wait || full || time.Now().Before(w.noDialTo) {
		return h, wait
	}
	another, err := s.newHand(ctx)
	if err != nil {
		w.noDialTo = time.Now().Add(dialAgain) // a server that takes no more connections can still be asked
		return h, false
	}
	return another, true
}

// An asking is one exchange. Its fields are the link's reader's until done is closed.
type asking struct {
	left, got int
	err       error
	done      chan struct{}
}

// ask reserves up to n messages, the first of which it may wait for.
func (s *subscription) ask(h *hand, n int, wait bool) (int, error) {
	a := &asking{left: n, done: make(chan struct{})}
	calls := make([]*call, n)
	for i := range calls {
		calls[i] = command(func(r reply, err error) { s.reserved(h, a, r, err) }, "reserve-with-timeout 0")
	}
	if wait {
		calls[0].line = fmt.Sprintf("reserve-with-timeout %d", longWait/time.Second)
		calls[0].wait = longWait
	}
	h.send(calls...)
	select {
	case <-a.done:
	case <-s.lost:
		<-a.done
	case <-s.stop:
		s.drop(h) // the one way to end its waiting; with something in its hand it waits for nothing
		<-a.done
	}
	return a.got, a.err
}

var errDropped = errors.New("it is not needed any more")

// drop ends the link of a hand that holds nothing.
func (s *subscription) drop(h *hand) {
	s.mu.Lock()
	if h.held > 0 || h.dropped {
		s.mu.Unlock()
		return
	}
	h.dropped = true
	s.hands = slices.DeleteFunc(slices.Clone(s.hands), func(one *hand) bool { return one == h })
	s.mu.Unlock()
	h.fail(errDropped)
}

// reserved takes the reply to one reserve.
func (s *subscription) reserved(h *hand, a *asking, r reply, err error) {
	switch {
	case err != nil:
		a.err = err
	case r.word == "RESERVED":
		if s.hold(h, r) {
			a.got++
		}
	case r.word != "TIMED_OUT" && r.word != "DEADLINE_SOON":
		a.err = r.demand("RESERVED")
	}
	if a.left--; a.left == 0 {
		close(a.done)
	}
}

// hold books what was reserved, and asks for what a reply to that leaves out: the tube, the priority, the time to run,
// and how often it has been reserved.
func (s *subscription) hold(h *hand, r reply) bool {
	s.mu.Lock()
	if h.dropped { // it goes back with the link
		s.mu.Unlock()
		return false
	}
	tag := s.next
	s.next++
	s.holds[tag] = &hold{id: r.id, hand: h, ttr: s.b.set.ttr, renewed: time.Now()}
	h.held++
	a := &arrival{tag: tag, job: r.body}
	s.coming = append(s.coming, a)
	s.mu.Unlock()
	s.describing.Add(1)
	h.send(command(func(stats reply, err error) {
		defer s.describing.Done()
		if err == nil { // a link that has failed is told of by itself
			s.describe(a, stats)
		}
	}, "stats-job %d", r.id))
	return true
}

// describe completes a message, and hands out those that are complete, in the order in which they were reserved.
func (s *subscription) describe(a *arrival, stats reply) {
	if stats.word == "NOT_FOUND" { // its time had run out, and somebody else was quick
		s.forget(a.tag)
		s.handOut(func() { a.gone = true })
		return
	}
	tube := stats.stat("tube")
	queue, ours := s.queues[tube]
	if err := stats.demand("OK"); err != nil || !ours {
		s.lose(fmt.Errorf("ask for the statistics of a message: they are of tube %.200q, which is not watched, or %w", tube, orNone(err)))
		return
	}
	s.handOut(func() {
		a.known, a.queue, a.priority, a.again = true, queue, uint32(stats.count("pri")), stats.count("reserves") > 1
		if h := s.holds[a.tag]; h != nil {
			h.queue, h.priority, h.ttr = a.queue, a.priority, time.Duration(stats.count("ttr"))*time.Second
			if pace := renewal(h.ttr); pace < s.pace {
				s.pace = pace
				feed.Signal(s.faster)
			}
		}
	})
}

// handOut lets change complete an arrival, and moves on what need not wait any more.
func (s *subscription) handOut(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	for len(s.coming) > 0 && (s.coming[0].known || s.coming[0].gone) {
		if a := s.coming[0]; a.known {
			s.buffer = append(s.buffer, a)
		}
		s.coming[0] = nil
		s.coming = s.coming[1:]
	}
	feed.Signal(s.filled)
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}
