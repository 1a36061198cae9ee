package lease

import (
	"context"
	"slices"
	"time"

	"taskbench/brokers/feed"
	"taskbench/brokers/redis/link"
)

// gulp is how many messages are claimed, or given back, in one call.
const gulp = 128

// Fill claims into the slots that are free, and waits where none are, until a claim brings less than it wanted; some tells
// whether anything came. More is false once the consumer is over. While there is plenty, claims go along with
// acknowledgements instead, and this has nothing to do. It is called by the claimer alone, as is Pause.
func (h *Holder[H]) Fill() (some, more bool) {
	for !h.IsOver() {
		select {
		case <-h.knock: // whatever it was about, the claim will see
		default:
		}
		c, err := h.claimFree()
		if err != nil {
			h.Lose(err)
			break
		}
		if c == nil {
			select {
			case <-h.room:
			case <-h.over:
			}
			continue
		}
		if some = some || c.got > 0; !c.full {
			return some, true
		}
	}
	return some, false
}

// Pause returns when somebody knocks or the consumer is over or, late, after so long.
func (h *Holder[H]) Pause(longest time.Duration) (late bool) {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.knock:
	case <-h.over:
	}
	return false
}

// Knock says that there may be something to claim. It does not wait.
func (h *Holder[H]) Knock() { feed.Signal(h.knock) }

// SinceTask is how long ago a claim last brought something.
func (h *Holder[H]) SinceTask() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last)
}

// A claim is one that is made, and what came of it.
type claim[H any] struct {
	Claim[H]
	got  int
	full bool
}

// claimFree makes one claim for the slots that are free; nil if there are none.
func (h *Holder[H]) claimFree() (*claim[H], error) {
	h.claiming.Lock()
	defer h.claiming.Unlock()
	c := h.newClaim(0)
	if c == nil {
		return nil, nil
	}
	h.among.link.Exec(context.Background(), c.Cmd)
	return c, h.claimed(c)
}

// along is the claim that goes with the acknowledgement of so many messages, in the same exchange: the slots that it
// frees are then filled without another one. It is nil where that would not do: where the last claim left nothing to
// claim, or one is under way. What comes of it must be told to claimed, and then claiming be unlocked.
func (h *Holder[H]) along(acks int) *claim[H] {
	if !h.plenty.Load() || !h.claiming.TryLock() {
		return nil
	}
	if !h.IsOver() { // End, too, waits for claiming, so that nothing comes after it
		if c := h.newClaim(acks); c != nil {
			return c
		}
	}
	h.claiming.Unlock()
	return nil
}

// newClaim is one for the slots that are free once so many more are; nil if there are none. claiming is held. The queues
// take turns: the one after that which was served last comes first.
func (h *Holder[H]) newClaim(more int) *claim[H] {
	h.mu.Lock()
	defer h.mu.Unlock()
	want := min(h.limit-len(h.holds)+more, gulp)
	if want <= 0 {
		return nil
	}
	queues := append(slices.Clone(h.Queues[h.turn:]), h.Queues[:h.turn]...)
	return &claim[H]{Claim: h.layout.Claim(want, h.next, queues)}
}

// claimed takes in what a claim brought. claiming is held.
func (h *Holder[H]) claimed(c *claim[H]) error {
	answer, err := c.Cmd.Slice()
	if err != nil {
		return link.Judgef(err, "claim from redis")
	}
	got, full, err := c.Read(answer)
	if err != nil {
		return link.Judgef(err, "claim from redis")
	}
	c.got, c.full = len(got), full
	h.plenty.Store(full)
	if len(got) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range got {
		h.holds[h.next] = Held[H]{h.next, m.Queue, m.Hold}
		h.buffer = append(h.buffer, fresh{h.next, m.Unpack})
		h.next++
		h.turn = (slices.Index(h.Queues, m.Queue) + 1) % len(h.Queues)
	}
	h.last = time.Now()
	feed.Signal(h.filled)
	return nil
}
