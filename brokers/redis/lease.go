package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// keep renews the lease, and with it the age of what is held, and looks after what dead consumers left. It is also
// what notices a dead link while the claimer has no slot free.
func (s *subscription) keep() {
	renew := time.NewTicker(s.b.link.Lease / 3)
	defer renew.Stop()
	sweep := time.NewTicker(min(10*time.Second, s.b.link.Visibility/4))
	defer sweep.Stop()
	var busy atomic.Bool
	for old := true; ; {
		dead, err := s.renew()
		if err != nil {
			s.lose(fmt.Errorf("renew lease at redis: %w", err))
			return
		}
		if (old || len(dead) > 0) && busy.CompareAndSwap(false, true) {
			go func(old bool) { // a long clean-up must not hold up the renewing
				defer busy.Store(false)
				s.b.restore(dead, old)
			}(old)
		}
		old = false
		select {
		case <-renew.C:
		case <-sweep.C:
			old = true
		case <-s.lost:
			return
		case <-s.spent:
			s.retire()
			return
		}
	}
}

func (s *subscription) renewal(ctx context.Context) *goredis.Cmd {
	return renewScript.Call(ctx, []string{consumersKey, indexKey, s.held}, s.id, s.b.link.Lease.Milliseconds())
}

func (s *subscription) renew() (dead []string, err error) {
	cmd := s.renewal(context.Background())
	s.b.link.Exec(context.Background(), cmd)
	return cmd.StringSlice()
}

func (s *subscription) retire() {
	s.b.dismiss(s)
	s.b.link.Exec(context.Background(), retireCall(s.id)) // left undone, the end of the lease does it
}

func retireCall(id string) *goredis.Cmd {
	return retireScript.Call(context.Background(), []string{consumersKey, heldPrefix + id}, id)
}

// giveBack puts messages back to the front of their lists, in their order. Those that were handed out are marked.
// What cannot be given back now goes back when the lease ends.
func (s *subscription) giveBack(tags []uint64, seen bool) {
	slices.Sort(tags)
	slices.Reverse(tags) // the front is filled from behind
	ctx := context.Background()
	for part := range slices.Chunk(tags, 128) {
		cmds := make([]goredis.Cmder, 0, len(part))
		s.mu.Lock()
		for _, tag := range part {
			h := s.holds[tag]
			delete(s.holds, tag)
			raw := h.raw
			if seen {
				raw = marked(raw)
			}
			places := []string{unackedKey, indexKey, s.held, h.list()}
			cmds = append(cmds, moveScript.Call(ctx, places, s.name(tag), "RPUSH", raw))
		}
		s.checkSpent()
		s.mu.Unlock()
		s.b.link.Exec(ctx, cmds...)
		if err := link.FirstError(cmds); err != nil {
			s.lose(fmt.Errorf("give messages back to redis: %w", err))
			return
		}
	}
}

// close ends the subscription with its broker: all that it still holds goes back at once.
func (s *subscription) close() {
	s.lose(brokers.ErrClosed)
	s.halt()
	<-s.idle
	s.mu.Lock()
	tags := slices.Collect(maps.Keys(s.holds))
	s.mu.Unlock()
	s.giveBack(tags, true)
	s.b.link.Exec(context.Background(), retireCall(s.id))
}
