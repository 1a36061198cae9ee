package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 1000

// A source claims messages for one subscription, as long as there is room, and feeds them to its consumer.
type source struct {
	consumer *consumer
	queues   []string
	ids      []int64 // of the queues
	turn     int     // the queue that is claimed from first next time
	gulp     feed.Gulp
	poked    chan struct{}
	wake     chan struct{}
	ending   chan struct{}
	overdue  chan struct{} // closed when a claim has kept the end waiting for too long
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
	id      int64
	queue   string
	version int // 1 where it was not handed out before
	payload string
}

func newSource(c *consumer, queues []string, ids []int64, prefetch int) *source {
	s := &source{
		consumer: c, queues: queues, ids: ids, poked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), overdue: make(chan struct{}), ended: make(chan struct{}), holds: map[int64]string{},
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

// room tells how much of it there is, if there is any reason to fill it.
func (s *source) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.prefetch - len(s.holds)
	if !s.maybe || room <= 0 {
		return 0
	}
	s.maybe = false // from here on, whoever stores something says so again, or is found by looking
	return room
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	defer close(s.ended)
	ctx, cancel := feed.While(s.consumer.lost, s.overdue)
	defer cancel()
	pace := feed.NewPace()
	timer := time.NewTimer(pace.Next())
	defer timer.Stop()
	var failing time.Time
	for {
		select {
		case <-s.poked:
		case <-timer.C:
			s.poke(true)
			timer.Reset(pace.Next())
			continue
		case <-s.ending:
			return
		case <-s.consumer.lost:
			return
		}
		room := s.room()
		if room == 0 {
			continue
		}
		got, err := s.claimSome(ctx, room)
		switch {
		case err == nil:
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		}
		// After an answer that did not come the database may have given messages that nobody here knows of.
		if err != nil && (!brokers.Definite(err) || time.Since(failing) > grace) {
			s.consumer.lose(fmt.Errorf("claim from %q in %s: %w", s.queues, s.consumer.broker.base.Name, err))
			return
		}
		if got > 0 {
			pace.Busy()
			timer.Reset(pace.Next())
		}
	}
}

// claimSome takes at most so many messages: of each queue that has some in turn, beginning with another one each time,
// so that none waits behind the backlog of another.
func (s *source) claimSome(ctx context.Context, room int) (got int, err error) {
	b, most := s.consumer.broker, min(room, s.gulp.Most())
	filled, err := s.filled(ctx)
	if err != nil || len(filled) == 0 {
		return 0, err
	}
	var rows []row
	err = b.transact(ctx, func(tx *sql.Tx) error {
		rows = rows[:0]
		for i, place := range filled {
			if len(rows) == most {
				break
			}
			found, err := b.lock(ctx, tx, s.ids[place], max(1, (most-len(rows))/(len(filled)-i)))
			for _, r := range found {
				r.queue = s.queues[place]
				rows = append(rows, r)
			}
			if err != nil {
				return err
			}
		}
		return b.hide(ctx, tx, rows)
	})
	if err == nil {
		s.keep(rows)
	}
	return len(rows), err
}

// filled are the places of the queues that are worth a claim. It writes nothing.
func (s *source) filled(ctx context.Context) (places []int, err error) {
	db, d := s.consumer.broker.base.DB, s.consumer.broker.base.Dialect
	s.turn++
	for i := range s.ids {
		place := (s.turn + i) % len(s.ids)
		var any int
		err := db.QueryRowContext(ctx, `SELECT 1 FROM `+d.Messages+` WHERE queue_id = ? AND visible = 1 LIMIT 1`, s.ids[place]).Scan(&any)
		switch {
		case err == nil:
			places = append(places, place)
		case !errors.Is(err, sql.ErrNoRows):
			return nil, brokers.Refuse(s.consumer.broker.base.Judge(err)) // it has changed nothing
		}
	}
	return places, nil
}

// lock finds the first messages of a queue and keeps them from others.
func (b *Broker) lock(ctx context.Context, tx *sql.Tx, queue int64, most int) (found []row, err error) {
	d := b.base.Dialect
	rows, err := tx.QueryContext(ctx, `SELECT id, version, payload FROM `+d.Messages+`
WHERE queue_id = ? AND visible = 1 ORDER BY timestamp, id LIMIT ?`+d.Lock, queue, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err says too
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.version, &r.payload); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// hide takes messages out of sight, as kombu does when it fetches one.
func (b *Broker) hide(ctx context.Context, tx *sql.Tx, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	_, err := tx.ExecContext(ctx, `UPDATE kombu_message SET visible = 0, timestamp = `+b.base.Dialect.Now+`,
version = CASE WHEN version < 32767 THEN version + 1 ELSE 1 END WHERE id IN `+places(len(ids)), values(ids)...)
	return err
}

// keep hands claimed messages on, and adapts to their size.
func (s *source) keep(rows []row) {
	size := 0
	for _, r := range rows {
		size += len(r.payload)
	}
	s.gulp.Learn(len(rows), size)
	if len(rows) == 0 {
		return
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

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, r := range inbox {
		m, again := kombu.Decode(r.queue, r.payload)
		buf = append(buf, feed.Item{Tag: uint64(r.id), Message: m, Redelivered: again || r.version > 1})
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
	back := make([]settlement, len(unseen))
	for i, tag := range unseen {
		back[i] = settlement{id: int64(tag), outcome: feed.Unseen}
	}
	for i, err := range s.consumer.broker.settles.DoAll(context.Background(), back) {
		if errors.Is(err, brokers.ErrClosed) {
			continue // closing gives all back
		}
		if s.settled(back[i].id, feed.Unseen, err); err != nil {
			s.consumer.lose(fmt.Errorf("give back what nobody has seen: %w", err))
		}
	}
}
