package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
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

// claim fills the buffer as slots become free, until the subscription is halted or the link fails.
func (s *subscription) claim() {
	defer close(s.idle)
	watchers := s.watch()
	watched := len(watchers) == len(s.queues)*len(steps)
	turn, look, last := 0, firstLook, time.Now()
	timer := time.NewTimer(look)
	defer timer.Stop()
	for !s.halted() {
		want := min(s.free(), gulp)
		if want <= 0 {
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.lost:
			}
			continue
		}
		select {
		case <-s.knock: // whatever it was about, the claim will see
		default:
		}
		n, err := s.claimUpTo(want, &turn)
		if err != nil {
			s.lose(fmt.Errorf("claim from redis: %w", err))
			return
		}
		if n > 0 {
			look, last = firstLook, time.Now()
		}
		if n == want {
			continue // there may be more
		}
		for _, w := range watchers {
			signal(w)
		}
		timer.Reset(look)
		select {
		case <-timer.C:
			look = min(2*look, longestLook(time.Since(last), watched))
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

func (s *subscription) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit - len(s.holds)
}

// claimUpTo makes one claim. The queues take turns: the one after that which was served last comes first.
func (s *subscription) claimUpTo(n int, turn *int) (int, error) {
	queues := make([]string, len(s.queues))
	for i := range queues {
		queues[i] = s.queues[(*turn+i)%len(queues)]
	}
	cmd := s.claimCall(n, queues)
	s.b.exec(context.Background(), cmd)
	got, err := cmd.Slice()
	if err != nil || len(got) == 0 {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i+1 < len(got); i += 2 {
		number, _ := got[i].(int64)
		raw, _ := got[i+1].(string)
		s.holds[s.next] = hold{queue: queues[number-1], raw: raw}
		s.buffer = append(s.buffer, s.next)
		s.next++
		*turn = (*turn + int(number)) % len(queues)
	}
	signal(s.filled)
	return len(got) / 2, nil
}

func (s *subscription) claimCall(n int, queues []string) *goredis.Cmd {
	keys := []string{unackedKey, indexKey, consumersKey, s.held}
	for _, step := range steps {
		for _, q := range queues {
			keys = append(keys, q+step)
		}
	}
	args := []any{s.id, s.b.set.lease.Milliseconds(), strconv.FormatUint(s.next, 10), n}
	for _, q := range queues {
		args = append(args, bookingTail(q))
	}
	return invoke(context.Background(), claimScript, keys, args...)
}
