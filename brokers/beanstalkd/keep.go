package beanstalkd

import "time"

// renewal is how often what has so long to run is looked at.
func renewal(ttr time.Duration) time.Duration { return max(ttr/3, 100*time.Millisecond) }

// liveness is how often a word is asked of a link on which nothing else is said.
const liveness = 3 * time.Second

// keep touches what is held before its time runs out, however long a task takes, and asks a word of the links on which
// nothing else is said. So a link that has died is noticed before what was held on it is given to others.
func (s *subscription) keep() {
	asked := time.Now()
	for {
		s.mu.Lock()
		pace := min(s.pace, liveness)
		s.mu.Unlock()
		timer := time.NewTimer(pace)
		select {
		case <-timer.C:
			s.renew(pace)
			if now := time.Now(); now.Sub(asked) >= liveness {
				asked = now
				s.probe()
			}
		case <-s.faster:
		case <-s.lost:
			timer.Stop()
			return
		case <-s.spent:
			timer.Stop()
			s.retire()
			return
		}
		timer.Stop()
	}
}

// renew touches all of which more than half of its time would have gone by the next round.
func (s *subscription) renew(pace time.Duration) {
	now := time.Now()
	touches := map[*hand][]*call{}
	s.mu.Lock()
	for tag, h := range s.holds {
		if h.queue != "" && now.Add(pace).Sub(h.renewed) > h.ttr/2 {
			h.renewed = now
			touches[h.hand] = append(touches[h.hand], command(func(r reply, err error) {
				if err == nil && r.word == "NOT_FOUND" {
					s.forget(tag) // this process stood still for so long that somebody else has it
				}
			}, "touch %d", h.id))
		}
	}
	s.mu.Unlock()
	for h, calls := range touches {
		h.send(calls...)
	}
}

// probe says a word to the links that are quiet, for their answers.
func (s *subscription) probe() {
	s.mu.Lock()
	hands := s.hands
	s.mu.Unlock()
	for _, h := range hands {
		if h.quiet() {
			h.send(command(func(reply, error) {}, "list-tube-used"))
		}
	}
}

// retire ends the links of a subscription that holds nothing any more.
func (s *subscription) retire() {
	s.mu.Lock()
	hands := s.hands
	s.mu.Unlock()
	for _, h := range hands {
		s.drop(h)
	}
	s.b.subs.Remove(s)
}
