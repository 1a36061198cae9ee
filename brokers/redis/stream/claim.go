package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/redis/link"
)

const (
	gulp = 128 // messages in one claim

	// A consumer that nothing has woken claims all the same after a while, since streams may have been made anew by hand; so
	// much later for each queue, so that it costs no more when there are many.
	lookAnyway = 15 * time.Second
	lookEach   = 2 * time.Second
)

// claim fills the buffer as slots become free, until the subscription is halted or the link fails. While there is plenty
// the claims go along with acknowledgements instead, and this has nothing to do.
func (s *subscription) claim() {
	defer close(s.idle)
	arm := s.hang()
	look := max(lookAnyway, time.Duration(len(s.queues))*lookEach)
	timer := time.NewTimer(look)
	defer timer.Stop()
	for !s.halted() {
		select {
		case <-s.knock: // whatever it was about, the claim will see
		default:
		}
		c, err := s.claimFree()
		switch {
		case err != nil:
			s.lose(link.Judgef(err, "claim from redis"))
			return
		case c == nil:
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.lost:
			}
			continue
		case c.read == nil:
			continue // there may be more
		}
		arm(c.read)
		timer.Reset(look)
		select {
		case <-timer.C:
		case <-s.knock:
		case <-s.stop:
		case <-s.lost:
		}
	}
}

// claimFree makes one claim for the slots that are free; nil if there are none.
func (s *subscription) claimFree() (*claim, error) {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	c := s.newClaim(0)
	if c == nil {
		return nil, nil
	}
	s.b.link.Exec(context.Background(), c.cmd)
	return c, s.claimed(c)
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
	queues  []string // in the order of this claim
	streams []string
	cmd     *goredis.Cmd
	read    map[string]string // how far each stream has been read, where it brought less than it wanted
}

// newClaim is one for the slots that are free once so many more are; nil if there are none. claiming is held. The queues
// take turns: the one after that which was served last comes first.
func (s *subscription) newClaim(more int) *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := min(s.limit-len(s.holds)+more, gulp)
	if want <= 0 {
		return nil
	}
	c := &claim{queues: append(slices.Clone(s.queues[s.turn:]), s.queues[:s.turn]...)}
	c.streams = streamsOf(c.queues...)
	c.cmd = claimScript.Call(context.Background(), append([]string{returnedKey, consumersKey}, c.streams...),
		s.id, want, len(c.queues), s.b.link.Lease.Milliseconds())
	return c
}

// claimed takes in what a claim brought. claiming is held.
func (s *subscription) claimed(c *claim) error {
	reply, err := c.cmd.Slice()
	if err != nil {
		return err
	}
	if len(reply) != 2 {
		return fmt.Errorf("the script's answer has %d parts", len(reply))
	}
	got, _ := reply[0].([]any)
	read, _ := reply[1].([]any)
	for i, id := range read {
		if c.read == nil {
			c.read = make(map[string]string, len(read))
		}
		c.read[c.streams[i]], _ = id.(string)
	}
	s.plenty.Store(c.read == nil)
	if len(got) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i+3 < len(got); i += 4 {
		place, _ := got[i].(int64)
		e := entry{tag: s.next, queue: c.queues[int(place-1)%len(c.queues)]}
		e.deliveries, _ = got[i+1].(int64)
		id, _ := got[i+2].(string)
		e.fields, _ = got[i+3].([]any)
		s.holds[s.next] = hold{queue: e.queue, stream: c.streams[place-1], id: id}
		s.buffer = append(s.buffer, e)
		s.next++
		s.turn = (slices.Index(s.queues, e.queue) + 1) % len(s.queues)
	}
	signal(s.filled)
	return nil
}
