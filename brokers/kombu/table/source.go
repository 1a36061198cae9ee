package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

// A source feeds the messages that one subscription claims to its consumer.
type source struct {
	*feed.Intake
	consumer *consumer
	queues   []string
	ids      []int64 // of the queues
	turn     int     // the queue that is claimed from first next time
	gulp     feed.Gulp
}

func newSource(c *consumer, queues []string, ids []int64, prefetch int) *source {
	return &source{Intake: feed.NewIntake(prefetch, c.Lost()), consumer: c, queues: queues, ids: ids}
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	if err := s.Run(s.claimSome, grace, feed.NewPace()); err != nil {
		s.consumer.Lose(fmt.Errorf("claim from %q in %s: %w", s.queues, s.consumer.broker.base.Name, err))
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
	var rows []feed.Claimed
	err = b.transact(ctx, func(tx *sql.Tx) error {
		rows = rows[:0]
		for i, place := range filled {
			if len(rows) == most {
				break
			}
			found, err := b.lock(ctx, tx, s.ids[place], max(1, (most-len(rows))/(len(filled)-i)))
			for _, r := range found {
				r.Queue = s.queues[place]
				rows = append(rows, r)
			}
			if err != nil {
				return err
			}
		}
		return b.hide(ctx, tx, rows)
	})
	if err != nil {
		return 0, err
	}
	size := 0
	for _, r := range rows {
		size += len(r.Envelope)
	}
	s.gulp.Learn(len(rows), size)
	s.Hold(rows, len(rows) > 0) // there was something; whether there is more is seen next time
	return len(rows), nil
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
func (b *Broker) lock(ctx context.Context, tx *sql.Tx, queue int64, most int) (found []feed.Claimed, err error) {
	d := b.base.Dialect
	rows, err := tx.QueryContext(ctx, `SELECT id, version - 1, payload FROM `+d.Messages+`
WHERE queue_id = ? AND visible = 1 ORDER BY timestamp, id LIMIT ?`+d.Lock, queue, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, Err says too
	for rows.Next() {
		var r feed.Claimed
		if err := rows.Scan(&r.ID, &r.Handed, &r.Envelope); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// hide takes messages out of sight, as kombu does when it fetches one.
func (b *Broker) hide(ctx context.Context, tx *sql.Tx, rows []feed.Claimed) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	_, err := tx.ExecContext(ctx, `UPDATE kombu_message SET visible = 0, timestamp = `+b.base.Dialect.Now+`,
version = CASE WHEN version < 32767 THEN version + 1 ELSE 1 END WHERE id IN `+places(len(ids)), values(ids)...)
	return err
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	for _, r := range s.Intake.Take() {
		m, again := kombu.Decode(r.Queue, string(r.Envelope))
		buf = append(buf, feed.Item{Tag: uint64(r.ID), Message: m, Redelivered: again || r.Handed > 0})
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if err := s.Intake.SetPrefetch(n); err != nil {
		return err
	}
	return s.consumer.Cause()
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	rest, spent := s.Intake.End(patience)
	if spent {
		s.consumer.Remove(s)
	}
	unseen = append(unseen, rest...)
	back := make([]settlement, len(unseen))
	for i, tag := range unseen {
		back[i] = settlement{id: int64(tag), outcome: feed.Unseen}
	}
	for i, err := range s.consumer.broker.settles.DoAll(context.Background(), back) {
		if errors.Is(err, brokers.ErrClosed) {
			continue // closing gives all back
		}
		if s.settled(back[i].id, feed.Unseen, err); err != nil {
			s.consumer.Lose(fmt.Errorf("give back what nobody has seen: %w", err))
		}
	}
}
