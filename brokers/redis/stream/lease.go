package stream

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// keep renews the lease, and looks after what dead consumers left. It is also what notices a dead link while the claimer
// has no slot free.
func (s *subscription) keep() {
	renew := time.NewTicker(s.b.link.Lease / 3)
	defer renew.Stop()
	sweep := time.NewTicker(min(5*time.Minute, s.b.link.Visibility/4))
	defer sweep.Stop()
	var busy atomic.Bool
	for all := true; ; {
		dead, err := s.renew()
		if err != nil {
			s.lose(link.Judgef(err, "renew lease at redis"))
			return
		}
		if (all || len(dead) > 0) && busy.CompareAndSwap(false, true) {
			go func(all bool) { // a long clean-up must not hold up the renewing
				defer busy.Store(false)
				s.bury(dead)
				if all {
					s.collectStrays()
				}
			}(all)
		}
		all = false
		select {
		case <-renew.C:
		case <-sweep.C:
			all = true
		case <-s.lost:
			return
		case <-s.spent:
			s.retire()
			return
		}
	}
}

func (s *subscription) renewal(ctx context.Context) *goredis.Cmd {
	return renewScript.Call(ctx, []string{consumersKey, queuesKey}, s.id, s.b.link.Lease.Milliseconds(), s.names)
}

func (s *subscription) renew() (dead []string, err error) {
	cmd := s.renewal(context.Background())
	s.b.link.Exec(context.Background(), cmd)
	return cmd.StringSlice()
}

// bury gives back what dead consumers held, and takes them out of the groups. Failures are left to the next round, or
// to another consumer: every step is atomic and looks again at its reason.
func (s *subscription) bury(dead []string) {
	ctx := context.Background()
	for _, id := range dead {
		var queues []string
		text, err := s.b.link.Client.HGet(ctx, queuesKey, id).Result()
		if err != nil || json.Unmarshal([]byte(text), &queues) != nil {
			queues = s.queues // all that can be known
		}
		if s.buryOne(ctx, id, queues) {
			s.b.link.Exec(ctx, retirement(id, queues))
		}
	}
}

func (s *subscription) buryOne(ctx context.Context, id string, queues []string) bool {
	for _, q := range queues {
		for _, stream := range streamsOf(q) {
			for more := true; more; {
				cmd := buryScript.Call(ctx, []string{stream, returnedKey, bellOf(q), consumersKey}, id)
				s.b.link.Exec(ctx, cmd)
				n, err := cmd.Int()
				if err != nil || n < 0 {
					return false
				}
				more = n > 0
			}
		}
	}
	return true
}

// collectStrays gives back what somebody else's consumers have held for longer than the visibility timeout.
func (s *subscription) collectStrays() {
	ctx := context.Background()
	var cmds []goredis.Cmder
	for _, q := range s.queues {
		for _, stream := range streamsOf(q) {
			keys := []string{stream, returnedKey, bellOf(q), consumersKey}
			cmds = append(cmds, straysScript.Call(ctx, keys, s.b.link.Visibility.Milliseconds()))
		}
	}
	s.b.link.Exec(ctx, cmds...)
}

func (s *subscription) retire() {
	s.b.dismiss(s)
	s.b.link.Exec(context.Background(), retirement(s.id, s.queues)) // left undone, the end of the lease does it
}

func retirement(id string, queues []string) *goredis.Cmd {
	return retireScript.Call(context.Background(), append([]string{consumersKey, queuesKey}, streamsOf(queues...)...), id)
}

// giveBack makes messages ready again, each at its old place. Those that nobody has seen do not count as delivered. What
// cannot be given back now goes back when the lease ends.
func (s *subscription) giveBack(tags []uint64, seen bool) {
	ctx := context.Background()
	less := 1
	if seen {
		less = 0
	}
	for part := range slices.Chunk(tags, gulp) {
		byHold := map[hold][]any{} // by queue and stream
		s.mu.Lock()
		for _, tag := range part {
			h, ok := s.holds[tag]
			if !ok {
				continue
			}
			delete(s.holds, tag)
			id := h.id
			h.id = ""
			byHold[h] = append(byHold[h], id)
		}
		s.checkSpent()
		s.mu.Unlock()
		var cmds []goredis.Cmder
		for h, ids := range byHold {
			cmds = append(cmds, returnScript.Call(ctx, h.returning(), append([]any{s.id, less}, ids...)...))
		}
		s.b.link.Exec(ctx, cmds...)
		if err := link.FirstError(cmds); err != nil {
			s.lose(link.Judgef(err, "give messages back to redis"))
			return
		}
	}
}

// returning are the keys of giving back.
func (h hold) returning() []string { return []string{h.stream, returnedKey, bellOf(h.queue)} }

// close ends the subscription with its broker: all that it still holds goes back at once.
func (s *subscription) close() {
	s.lose(brokers.ErrClosed)
	s.halt()
	<-s.idle
	s.mu.Lock()
	tags := slices.Collect(maps.Keys(s.holds))
	s.mu.Unlock()
	s.giveBack(tags, true)
	s.retire()
}
