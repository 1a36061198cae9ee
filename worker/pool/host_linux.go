package pool

import (
	"sync"
	"time"
)

// A host is a green child as its parent sees it.
type host struct {
	*process
	pool *green

	// Guarded by the process's mu.
	free    []*chair
	waiting []*chair // by seat: whose frames go to a Run; nil where that has given up
	ended   bool     // the child says no more
	given   int      // abandoned attempts that run
}

// A chair is a seat whose frames come by way of listen.
type chair struct {
	seat
	frames chan []byte // closed when the child says no more
}

// listen hands out what the child says.
func (h *host) listen() {
	defer h.release()
	for {
		payload, err := readFrame(h.in)
		if err != nil {
			break
		}
		kind, index, _, err := about(payload)
		if err != nil {
			break
		}
		h.mu.Lock()
		var s *chair
		if int(index) < len(h.waiting) {
			s = h.waiting[index]
		}
		if s != nil {
			s.frames <- payload // a child has no more to say than there is room for until it is answered
		}
		h.mu.Unlock()
		if s == nil {
			h.overhear(kind, index)
		}
	}
	h.mu.Lock()
	h.ended = true
	for _, s := range h.waiting {
		if s != nil {
			close(s.frames)
		}
	}
	clear(h.waiting)
	h.pool.abandoned.Add(-int64(h.given))
	h.mu.Unlock()
}

// overhear deals with what an abandoned attempt says.
func (h *host) overhear(kind byte, index uint32) {
	switch kind {
	case frameSend:
		_ = h.write(appendAnswer(nil, index, errAbandoned)) // a lost child shows elsewhere
	case frameDone:
		h.mu.Lock()
		h.given--
		h.mu.Unlock()
		h.pool.abandoned.Add(-1)
	}
}

// sit gives the caller a seat; nil when the child is gone.
func (h *host) sit() *chair {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil
	}
	var s *chair
	if n := len(h.free); n > 0 {
		s, h.free = h.free[n-1], h.free[:n-1]
	} else {
		if len(h.waiting) == len(h.book.notes) {
			return nil
		}
		i := len(h.waiting)
		s = &chair{frames: make(chan []byte, 4)}
		s.child, s.index, s.note = h.process, uint32(i), &h.book.notes[i]
		h.seats = append(h.seats, &s.seat)
		h.waiting = append(h.waiting, nil)
	}
	h.waiting[s.index] = s
	return s
}

// run gives a job to the child and follows it to its end, the child's, or its hard limit.
func (h *host) run(j *Job) Result {
	s := h.sit()
	if s == nil {
		<-h.gone
		return Result{}
	}
	for _, out := range h.outs {
		out.begin(j)
		defer out.end(j)
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	_, hard := j.Limits()
	var limit <-chan time.Time
	err := h.send(s, j)
	for err == nil {
		var payload []byte
		var heard bool
		select {
		case payload, heard = <-s.frames:
		case <-limit:
			limit = nil
			if h.abandon(s) {
				h.pool.settings.Log.Warn("task abandoned at its hard time limit: its child is replaced", "task", j.Task.Name, "id", j.Task.ID, "limit", hard, "pid", h.pid())
				return overdue(hard, h.pid())
			}
			continue
		}
		if !heard {
			break
		}
		kind, _, rest, _ := about(payload) // listen has read it
		switch kind {
		case frameStarted:
			if hard > 0 {
				limit = time.After(hard)
			}
			if j.Started != nil {
				telling.Go(j.Started)
			}
		case frameSend:
			err = h.publish(j, s.index, rest)
		case frameDone:
			r, leaving, bad := decodeDone(rest)
			if err = bad; err != nil {
				break
			}
			h.leave(s)
			h.proven.Store(true)
			if leaving {
				h.retire()
			}
			return r
		}
	}
	h.bury()
	s.end()
	return h.lost(s.note, s.count)
}

// leave frees a seat whose job has ended.
func (h *host) leave(s *chair) {
	s.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.waiting[s.index] = nil
		h.free = append(h.free, s)
	}
}

// send gives the job to the child; whoever finds it to run by then, and tells the child of it, tells it after that.
func (h *host) send(s *chair, j *Job) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	s.begin(j)
	_, err := h.jobs.Write(j.frame)
	return err
}

// abandon gives an attempt up, unless it has just ended. Its child is replaced, and when the others in that have
// ended, the attempt goes with it.
func (h *host) abandon(s *chair) bool {
	h.mu.Lock()
	if h.ended || !s.note.decide(s.count) {
		h.mu.Unlock()
		return false
	}
	h.waiting[s.index] = nil
	s.running = false
	h.given++
	h.pool.abandoned.Add(1)
	attempt := s.attempt
	h.mu.Unlock()
	for len(s.frames) > 0 { // nobody adds to them now
		payload := <-s.frames
		kind, index, _, _ := about(payload) // listen has read it
		h.overhear(kind, index)
	}
	_ = h.write(appendCancel(nil, s.index, attempt, causeHardLimit)) // a lost child needs no telling
	h.retire()
	time.AfterFunc(heed, h.unblock)
	return true
}

// unblock kills a retired child that has not begun what it was sent before: the abandoned attempt then is one that
// lets nothing else run, and those jobs would wait for ever. They are begun in another child.
func (h *host) unblock() {
	h.mu.Lock()
	stuck := false
	for _, s := range h.waiting {
		stuck = stuck || s != nil && s.running && !s.note.begun(s.count)
	}
	h.mu.Unlock()
	if stuck {
		h.pool.settings.Log.Warn("green child killed: an abandoned task lets no other begin", "pid", h.pid())
		h.kill()
	}
}

// revoke has the context of an attempt end.
func (p *process) revoke(attempt uint64) bool {
	s := p.find(attempt)
	return s != nil && p.write(appendCancel(nil, s.index, attempt, causeRevoked)) == nil
}
