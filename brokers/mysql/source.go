package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

const (
	unbounded  = 1000        // what prefetch 0 stands for
	claimBound = time.Minute // a dead link is noticed sooner, by the consumer's own connection
)

// A source claims messages for one subscription, as long as there is room, and feeds them to its consumer.
type source struct {
	consumer *consumer
	queues   []string
	turn     int // the queue that is claimed from first next time
	gulp     feed.Gulp
	poked    chan struct{}
	wake     chan struct{}
	ending   chan struct{}
	overdue  chan struct{} // closed when a claim has kept the end waiting for too long
	ended    chan struct{} // closed when the claiming has stopped

	mu       sync.Mutex
	prefetch int
	holds    map[int64]struct{} // messages claimed and not settled
	inbox    []row
	maybe    bool // there may be something to claim
	over     bool // nothing more is to be claimed
}

// A row is one claimed message.
type row struct {
	id       int64
	queue    string
	handed   int // how often before
	envelope []byte
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	s := &source{
		consumer: c, queues: slices.Clone(queues), poked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), overdue: make(chan struct{}), ended: make(chan struct{}), holds: map[int64]struct{}{},
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

// signal leaves a mark in a channel of capacity one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hungry tells whether it has room and nothing to claim that is known of.
func (s *source) hungry() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.maybe && !s.over && s.prefetch > len(s.holds)
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	defer close(s.ended)
	ctx, cancel := feed.While(s.consumer.lost, s.overdue)
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
			s.maybe = false // from here on, whoever stores something says so again, or is seen by the look-out
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
			s.consumer.lose(fmt.Errorf("take messages from %q: %w", s.queues, err))
			return
		}
		time.AfterFunc(100*time.Millisecond, func() { s.poke(true) })
	}
}

// claimSome takes at most so many messages: of each queue in turn, beginning with another one each time, so that none
// waits behind the backlog of another.
func (s *source) claimSome(ctx context.Context, room int) error {
	queues, err := s.filled(ctx)
	if err != nil {
		return err
	}
	most := min(room, s.gulp.Most())
	var rows []row
	full := false
	defer func() { s.keep(rows, full) }() // what one queue gave is held whatever the next one says
	for i, q := range queues {
		fair := max(1, (most-len(rows))/(len(queues)-i))
		if len(rows) == most {
			full = true
			break
		}
		found, err := s.consumer.claim(ctx, q, fair)
		if err != nil {
			return err
		}
		full = full || len(found) == fair
		rows = append(rows, found...)
	}
	return nil
}

// filled are the queues that are worth a claim, beginning with another one each time.
func (s *source) filled(ctx context.Context) ([]string, error) {
	if len(s.queues) == 1 {
		return s.queues, nil
	}
	s.turn = (s.turn + 1) % len(s.queues)
	inTurn := append(slices.Clone(s.queues[s.turn:]), s.queues[:s.turn]...)
	var queues []string
	for part := range slices.Chunk(inTurn, atOnce) {
		places, err := s.consumer.filled(ctx, part)
		if err != nil {
			return nil, err
		}
		slices.Sort(places)
		for _, i := range places {
			queues = append(queues, part[i])
		}
	}
	return queues, nil
}

// keep hands claimed messages on, and adapts to their size.
func (s *source) keep(rows []row, full bool) {
	size := 0
	for _, r := range rows {
		size += len(r.envelope)
	}
	s.gulp.Learn(len(rows), size)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.holds[r.id] = struct{}{}
	}
	s.inbox = append(s.inbox, rows...)
	if full {
		s.maybe = true // there may be more
		signal(s.poked)
	}
	if len(rows) > 0 {
		signal(s.wake)
		s.consumer.busy()
	}
}

// claim takes at most so many messages of a queue, the most urgent and oldest first. What others are claiming is left to
// them. The consumer's row is locked against removal meanwhile.
func (c *consumer) claim(ctx context.Context, queue string, most int) (rows []row, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimBound)
	defer cancel()
	err = c.broker.with(ctx, func(conn *sql.Conn) error {
		rows = nil
		return transact(ctx, conn, func() (err error) {
			if rows, err = c.lock(ctx, conn, queue, most); err != nil || len(rows) == 0 {
				return err
			}
			ids := make([]int64, len(rows))
			for i, r := range rows {
				ids[i] = r.id
			}
			_, err = conn.ExecContext(ctx, `UPDATE taskbench_message SET owner = ?, handed = handed + 1 WHERE id IN `+list(len(ids)), args(c.owner, ids)...)
			return err
		})
	})
	return rows, err
}

// lock begins a transaction and locks what is to be claimed, in one exchange.
func (c *consumer) lock(ctx context.Context, conn *sql.Conn, queue string, most int) ([]row, error) {
	found, err := conn.QueryContext(ctx, `START TRANSACTION; SELECT id FROM taskbench_consumer WHERE id = ? LOCK IN SHARE MODE;
SELECT id, handed, envelope FROM taskbench_message FORCE INDEX (ready)
WHERE queue = ? AND owner = 0 AND (expires IS NULL OR expires > UTC_TIMESTAMP(6))
ORDER BY urgency, id LIMIT ? FOR UPDATE SKIP LOCKED`, c.owner, []byte(queue), most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }() // what it would say, Err says too
	alive := false
	var rows []row
	for more := true; more; more = found.NextResultSet() {
		columns, err := found.Columns()
		if err != nil {
			return nil, err
		}
		for found.Next() {
			if len(columns) == 1 {
				alive = true
				continue
			}
			r := row{queue: queue}
			if err := found.Scan(&r.id, &r.handed, &r.envelope); err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	if !alive {
		return nil, errLapsed
	}
	return rows, nil
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, r := range inbox {
		m, err := envelope.Decode(r.envelope)
		if err != nil {
			m = brokers.Message{Body: r.envelope} // a foreign row: the receiver shall see it and reject it
		}
		m.Queue = r.queue
		buf = append(buf, feed.Item{Tag: uint64(r.id), Message: m, Redelivered: r.handed > 0})
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

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	close(s.ending)
	late := time.AfterFunc(patience, func() { close(s.overdue) })
	<-s.ended
	late.Stop()
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
	if len(unseen) == 0 {
		return
	}
	back := make([]settlement, len(unseen))
	for i, tag := range unseen {
		back[i] = settlement{consumer: s.consumer, id: int64(tag), outcome: feed.Unseen}
	}
	var errs []error
	for i, err := range s.consumer.broker.settles.DoAll(context.Background(), back) {
		if errors.Is(err, brokers.ErrClosed) {
			continue // closing gives all back
		}
		s.settled(back[i].id, feed.Unseen, err)
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.lose(fmt.Errorf("give back %d messages: %w", len(errs), errs[0]))
	}
}

// ask is the statement that tells which of so many queues have something ready, by their places.
func ask(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "(SELECT %d FROM taskbench_message WHERE queue = ? AND owner = 0 AND (expires IS NULL OR expires > UTC_TIMESTAMP(6)) LIMIT 1)", i)
	}
	return b.String()
}
