package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

const (
	unbounded  = 1000 // what prefetch 0 stands for
	gulp       = 256  // messages in one claim
	firstGulp  = 16
	gulpBytes  = 4 << 20
	claimBound = time.Minute // a dead link is noticed sooner, by the consumer's own connection
)

// A source claims messages for one subscription, as long as there is room, and feeds them to its consumer.
type source struct {
	consumer *consumer
	queues   []string
	turn     int // the queue that is claimed from first next time
	gulp     int // how many messages the next claim may bring, given the size of the last ones
	poked    chan struct{}
	wake     chan struct{}
	ending   chan struct{}
	ended    chan struct{} // closed when the claiming has stopped

	mu       sync.Mutex
	prefetch int
	holds    map[int64]string // the queue of each message claimed and not settled
	inbox    []row
	maybe    bool // there may be something to claim
	over     bool // nothing more is to be claimed
}

// A row is one claimed message.
type row struct {
	id       int64
	queue    string
	priority int16
	handed   int
	payload  []byte
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	s := &source{
		consumer: c, queues: slices.Clone(queues), gulp: firstGulp, poked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), ended: make(chan struct{}), holds: map[int64]string{},
	}
	s.bound(prefetch)
	s.poke(true)
	return s
}

func (s *source) bound(n int) {
	if n <= 0 {
		n = unbounded
	}
	s.prefetch = n
}

// poke makes the claiming look again: at what there is, or only at how much room there is.
func (s *source) poke(maybe bool) {
	s.mu.Lock()
	s.maybe = s.maybe || maybe
	s.mu.Unlock()
	signal(s.poked)
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	defer close(s.ended)
	ctx, cancel := s.consumer.while()
	defer cancel()
	var failing time.Time
	for {
		select {
		case <-s.poked:
		case <-s.ending:
			return
		case <-s.consumer.lost:
			return
		}
		s.mu.Lock()
		room := s.prefetch - len(s.holds)
		due := s.maybe && room > 0
		if due {
			s.maybe = false // from here on, whoever stores something says so again
		}
		s.mu.Unlock()
		if !due {
			continue
		}
		err := s.claimSome(ctx, room)
		switch {
		case err == nil:
			failing = time.Time{}
			continue
		case failing.IsZero():
			failing = time.Now()
		}
		// After an answer that did not come the server may have given messages that nobody here knows of.
		if !brokers.Definite(err) || errors.Is(err, errLapsed) || time.Since(failing) > lease {
			s.consumer.lose(fmt.Errorf("claim from %q: %w", s.queues, err))
			return
		}
		time.AfterFunc(100*time.Millisecond, func() { s.poke(true) })
	}
}

// claimSome takes at most room messages: of each queue its share, and then of those that have more. A queue that was
// first is last the next time.
func (s *source) claimSome(ctx context.Context, room int) error {
	if len(s.queues) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, claimBound)
	defer cancel()
	queues := slices.Concat(s.queues[s.turn:], s.queues[:s.turn])
	s.turn = (s.turn + 1) % len(s.queues)
	for n := min(room, s.gulp); n > 0 && len(queues) > 0; {
		share := (n + len(queues) - 1) / len(queues)
		rows, err := s.consumer.broker.claim(ctx, s.consumer.owner, queues, share, n)
		if err != nil {
			return err
		}
		s.take(rows, min(room, s.gulp) == len(rows))
		n -= len(rows)
		got := map[string]int{}
		for _, r := range rows {
			got[r.queue]++
		}
		queues = slices.DeleteFunc(queues, func(q string) bool { return got[q] < share })
	}
	return nil
}

// take keeps what was claimed; full is whether that was all that was asked for.
func (s *source) take(rows []row, full bool) {
	if len(rows) == 0 {
		return
	}
	size := 0
	for _, r := range rows {
		size += len(r.payload)
	}
	switch {
	case size > gulpBytes:
		s.gulp = max(1, int(int64(len(rows))*gulpBytes/int64(size)))
	case full:
		s.gulp = min(2*s.gulp, gulp)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.holds[r.id] = r.queue
	}
	s.inbox = append(s.inbox, rows...)
	s.maybe = true // there was something; whether there is more is seen next time
	signal(s.wake)
	signal(s.poked)
}

// claim takes at most so many messages of each queue, and so many in all: of each queue the most urgent and oldest.
func (b *broker) claim(ctx context.Context, owner int64, queues []string, each, most int) (rows []row, err error) {
	err = b.with(ctx, func(c *pgxpool.Conn) error {
		found, err := c.Query(ctx, b.layout.claim, owner, queues, each, most)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(found, func(found pgx.CollectableRow) (r row, err error) {
			err = found.Scan(&r.id, &r.queue, &r.priority, &r.handed, &r.payload)
			return r, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 && rows[0].handed == 0 { // it belongs to nobody, as there is no such consumer any more
		return nil, errLapsed
	}
	// RETURNING promises no order.
	slices.SortFunc(rows, func(a, b row) int {
		if a.priority != b.priority {
			return int(b.priority) - int(a.priority)
		}
		return int(a.id - b.id)
	})
	return rows, nil
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, r := range inbox {
		m, again := s.consumer.broker.layout.decode(r.queue, r.payload)
		buf = append(buf, feed.Item{Tag: uint64(r.id), Message: m, Redelivered: again || r.handed > 1})
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	s.mu.Lock()
	s.bound(n)
	s.mu.Unlock()
	s.poke(true)
	return s.consumer.cause()
}

func (s *source) held() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int64, 0, len(s.holds))
	for id := range s.holds {
		ids = append(ids, id)
	}
	return ids
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	close(s.ending)
	<-s.ended
	s.mu.Lock()
	for _, r := range s.inbox {
		unseen = append(unseen, uint64(r.id))
	}
	s.inbox, s.over = nil, true
	spent := len(s.holds) == 0
	s.mu.Unlock()
	if spent {
		s.consumer.remove(s)
	}
	var errs []error
	for _, tag := range unseen {
		err := s.Settle(context.Background(), tag, feed.Unseen)
		if err != nil && !errors.Is(err, brokers.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.lose(fmt.Errorf("give back %d messages: %w", len(errs), errs[0]))
	}
}
