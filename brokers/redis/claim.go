package redis

import (
	"context"
	"strconv"
	"time"

	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/lease"
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

// claim fills the slots, and looks again, ever less often, where nobody wakes it.
func (s *subscription) claim() {
	watchers := s.watch()
	watched := len(watchers) == len(s.Queues)*keys.Steps
	look := firstLook
	for {
		some, more := s.Fill()
		if !more {
			return
		}
		if some {
			look = firstLook
		}
		for _, w := range watchers {
			feed.Signal(w)
		}
		if late := s.Pause(look); late {
			look = min(2*look, longestLook(s.SinceTask(), watched))
		}
	}
}

// Claim implements lease.Layout.
func (s *subscription) Claim(want int, first uint64, queues []string) lease.Claim[string] {
	all := append([]string{unackedKey, indexKey, consumersKey, heldBy(s.ID)}, keys.Lists(queues)...)
	args := []any{s.ID, s.b.link.Lease.Milliseconds(), strconv.FormatUint(first, 10), want}
	for _, q := range queues {
		args = append(args, bookingTail(q))
	}
	read := func(answer []any) (got []lease.Message[string], full bool, err error) {
		for i := 0; i+1 < len(answer); i += 2 {
			number, _ := answer[i].(int64)
			raw, _ := answer[i+1].(string)
			queue := queues[number-1]
			unpack := func() feed.Item {
				m, again := kombu.Decode(queue, raw)
				return feed.Item{Message: m, Redelivered: again}
			}
			got = append(got, lease.Message[string]{Queue: queue, Hold: raw, Unpack: unpack})
		}
		return got, len(got) == want, nil
	}
	return lease.Claim[string]{Cmd: claimScript.Call(context.Background(), all, args...), Read: read}
}
