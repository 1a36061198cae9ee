package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/redis/keys"
)

// How long a consumer that found nothing waits before it looks again, if nobody wakes it: at first; at most, while
// tasks are trickling in; at most, when there have been none for a while, and then if every list is watched; and the
// same once it is idle, when what it asks must cost a server nothing that anybody would notice.
const (
	firstLook   = 500 * time.Microsecond
	busyLook    = 2 * time.Millisecond
	calmLook    = 5 * time.Millisecond
	watchedCalm = 25 * time.Millisecond
	idleLook    = 500 * time.Millisecond
	watchedIdle = 2 * time.Second
	trickle     = 250 * time.Millisecond // since the last task
	idleAfter   = 2 * time.Second        // the same
	gulp        = 128                    // messages in one claim
)

// longestLook bounds the wait of a consumer whose last task came so long ago.
func longestLook(since time.Duration, watched bool) time.Duration {
	switch {
	case since < trickle:
		return busyLook
	case since < idleAfter && watched:
		return watchedCalm
	case since < idleAfter:
		return calmLook
	case watched:
		return watchedIdle
	}
	return idleLook
}

// claim fills the buffer as slots become free, until the subscription is halted or the link fails. While there is plenty
// the claims go along with acknowledgements instead, and this has nothing to do.
func (s *subscription) claim() {
	defer close(s.idle)
	watchers := s.watch()
	watched := len(watchers) == len(s.queues)*keys.Steps
	look := firstLook
	timer := time.NewTimer(look)
	defer timer.Stop()
	for !s.halted() {
		select {
		case <-s.knock: // whatever it was about, the claim will see
		default:
		}
		wanted, got, err := s.claimFree()
		if err != nil {
			s.lose(fmt.Errorf("claim from redis: %w", err))
			return
		}
		if wanted == 0 {
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.lost:
			}
			continue
		}
		if got > 0 {
			look = firstLook
		}
		if got == wanted {
			continue // there may be more
		}
		for _, w := range watchers {
			signal(w)
		}
		timer.Reset(look)
		select {
		case <-timer.C:
			look = min(2*look, longestLook(s.sinceTask(), watched))
		case <-s.knock:
		case <-s.stop:
		case <-s.lost:
		}
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

func (s *subscription) sinceTask() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last)
}

// claimFree makes one claim for the slots that are free.
func (s *subscription) claimFree() (wanted, got int, err error) {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	c := s.newClaim(0)
	if c == nil {
		return 0, 0, nil
	}
	s.b.link.Exec(context.Background(), c.cmd)
	got, err = s.claimed(c)
	return c.want, got, err
}

// along is the claim that goes with the acknowledgement of so many messages, in the same exchange: the slots that it
// frees are then filled without another one. It is nil where that would not do: where the last claim left nothing to
// claim, or one is under way. What comes of it must be told to claimed, and then claiming be unlocked.
func (s *subscription) along(acks int) *claim {
	if !s.plenty.Load() || !s.claiming.TryLock() {
		return nil
	}
	if !s.halted() { // End, too, waits for claiming, so that nothing comes after it
		if c := s.newClaim(acks); c != nil {
			return c
		}
	}
	s.claiming.Unlock()
	return nil
}

// A claim is one call of the script.
type claim struct {
	want   int
	queues []string // in the order of this claim
	cmd    *goredis.Cmd
}

// newClaim is one for the slots that are free once so many more are; nil if there are none. claiming is held. The queues
// take turns: the one after that which was served last comes first.
func (s *subscription) newClaim(more int) *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &claim{want: min(s.limit-len(s.holds)+more, gulp)}
	if c.want <= 0 {
		return nil
	}
	c.queues = append(slices.Clone(s.queues[s.turn:]), s.queues[:s.turn]...)
	all := append([]string{unackedKey, indexKey, consumersKey, s.held}, keys.Lists(c.queues)...)
	args := []any{s.id, s.b.link.Lease.Milliseconds(), strconv.FormatUint(s.next, 10), c.want}
	for _, q := range c.queues {
		args = append(args, bookingTail(q))
	}
	c.cmd = claimScript.Call(context.Background(), all, args...)
	return c
}

// claimed takes in what a claim brought. claiming is held.
func (s *subscription) claimed(c *claim) (int, error) {
	got, err := c.cmd.Slice()
	if err != nil {
		return 0, err
	}
	n := len(got) / 2
	s.plenty.Store(n == c.want)
	if n == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i+1 < len(got); i += 2 {
		number, _ := got[i].(int64)
		raw, _ := got[i+1].(string)
		queue := c.queues[number-1]
		s.holds[s.next] = hold{queue: queue, raw: raw}
		s.buffer = append(s.buffer, s.next)
		s.next++
		s.turn = (slices.Index(s.queues, queue) + 1) % len(s.queues)
	}
	s.last = time.Now()
	signal(s.filled)
	return n, nil
}
