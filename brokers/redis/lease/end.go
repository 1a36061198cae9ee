package lease

import (
	"context"
	"maps"
	"slices"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// End implements feed.Source.
func (h *Holder[H]) End(unseen []uint64) {
	h.halt()
	h.mu.Lock()
	for _, f := range h.buffer {
		unseen = append(unseen, f.tag)
	}
	h.buffer = nil
	h.mu.Unlock()
	h.giveBack(unseen, false)
}

// close ends the consumer with its broker: all that it still holds goes back at once.
func (h *Holder[H]) close() {
	h.Lose(brokers.ErrClosed)
	h.halt()
	h.mu.Lock()
	tags := slices.Collect(maps.Keys(h.holds))
	h.mu.Unlock()
	h.giveBack(tags, true)
	h.retire()
}

// halt returns when no more is claimed. It may be called more than once.
func (h *Holder[H]) halt() {
	h.mu.Lock()
	shut(h.over)
	h.mu.Unlock()
	<-h.idle
	h.claiming.Lock() // a claim may have gone along with an acknowledgement
	defer h.claiming.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.checkSpent()
}

// giveBack makes messages ready again. What cannot be given back now goes back when the lease ends.
func (h *Holder[H]) giveBack(tags []uint64, seen bool) {
	h.giving.Lock()
	defer h.giving.Unlock()
	slices.Sort(tags)
	slices.Reverse(tags) // where they go to the front, that is filled from behind
	for part := range slices.Chunk(tags, gulp) {
		held := make([]Held[H], 0, len(part))
		h.mu.Lock()
		for _, tag := range part {
			if m, ok := h.holds[tag]; ok {
				held = append(held, m)
			}
		}
		h.mu.Unlock()
		cmds := h.layout.Return(held, seen)
		h.among.link.Exec(context.Background(), cmds...)
		h.mu.Lock()
		for _, tag := range part {
			delete(h.holds, tag)
		}
		h.checkSpent()
		h.mu.Unlock()
		if err := link.FirstError(cmds); err != nil {
			h.Lose(link.Judgef(err, "give messages back to redis"))
			return
		}
	}
}

// Lose ends the consumer because of err: what it holds goes back when its lease ends. The first error stands.
func (h *Holder[H]) Lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		shut(h.over)
		close(h.lost)
	}
}

// checkSpent is called with mu held.
func (h *Holder[H]) checkSpent() {
	if h.ended && len(h.holds) == 0 {
		shut(h.spent)
	}
}

// shut closes a channel unless it is closed. Two calls for one channel must not be made at once.
func shut(c chan struct{}) {
	if !isShut(c) {
		close(c)
	}
}

func isShut(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
