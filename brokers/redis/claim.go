package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/feed"
)

// How long an idle consumer waits before it looks again, if no wake-up comes: at first, and at most while tasks
// are trickling in, and at most when there have been none for a while.
const (
	firstLook = 500 * time.Microsecond
	busyLook  = 2 * time.Millisecond
	idleLook  = 5 * time.Millisecond
	trickle   = 250 * time.Millisecond
	gulp      = 128 // messages in one claim
)

// claim fills the buffer as slots become free, until the subscription is halted or the link fails.
func (s *subscription) claim() {
	defer close(s.idle)
	turn, look, last := 0, firstLook, time.Now()
	timer := time.NewTimer(idleLook)
	defer timer.Stop()
	for !s.halted() {
		free := s.free()
		if free <= 0 {
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.lost:
			}
			continue
		}
		n, err := s.claimUpTo(min(free, gulp), &turn)
		if err != nil {
			s.lose(fmt.Errorf("claim from redis: %w", err))
			return
		}
		if n > 0 {
			look, last = firstLook, time.Now()
			continue
		}
		timer.Reset(look)
		select {
		case <-timer.C:
			look *= 2
			if time.Since(last) < trickle {
				look = min(look, busyLook)
			} else {
				look = min(look, idleLook)
			}
		case <-s.knock:
			look = firstLook
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
	if err != nil {
		return 0, err
	}
	items := make([]feed.Item, 0, len(got)/2)
	for i := 0; i+1 < len(got); i += 2 {
		number, _ := got[i].(int64)
		raw, _ := got[i+1].(string)
		queue := queues[number-1]
		*turn = (*turn + int(number)) % len(queues)
		m, again := decode(queue, raw)
		item := feed.Item{Tag: s.next, Message: m, Redelivered: again}
		s.next++
		s.mu.Lock()
		s.holds[item.Tag] = hold{queue: queue, priority: m.Priority, raw: raw}
		s.mu.Unlock()
		items = append(items, item)
	}
	if len(items) > 0 {
		s.mu.Lock()
		s.buffer = append(s.buffer, items...)
		s.mu.Unlock()
		signal(s.filled)
	}
	return len(items), nil
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

// listen turns wake-ups of publishers into knocks. It is a help only: without it the claimer looks by itself.
func (s *subscription) listen() {
	channels := make([]string, len(s.queues))
	for i, q := range s.queues {
		channels[i] = wakeChannel(s.b.db, q)
	}
	sub := s.b.rdb.Subscribe(context.Background(), channels...)
	defer func() { _ = sub.Close() }() // nothing depends on it any more
	for messages := sub.Channel(); ; {
		select {
		case _, open := <-messages:
			if !open {
				return
			}
			signal(s.knock)
		case <-s.stop:
			return
		case <-s.lost:
			return
		}
	}
}
