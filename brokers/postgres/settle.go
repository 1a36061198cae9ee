package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A settlement is one outcome on its way to the server.
type settlement struct {
	consumer *consumer
	id       int64
	queue    string
	outcome  feed.Outcome
}

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	id := int64(tag)
	s.mu.Lock()
	queue := s.holds[id]
	s.mu.Unlock()
	err := s.consumer.cause()
	if err == nil {
		st := settlement{consumer: s.consumer, id: id, queue: queue, outcome: o}
		err = s.consumer.broker.settles.Do(ctx, st, func(err error) { s.settled(id, o, err) })
	}
	if err != nil {
		return fmt.Errorf("settle a message of %s in postgres: %w", queue, err)
	}
	return nil
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept alive;
// only the end of that lease is sure to bring it back, so the consumer ends with it.
func (s *source) settled(id int64, o feed.Outcome, err error) {
	if err != nil && brokers.Definite(err) && !errors.Is(err, errLapsed) {
		return // still held, and may be tried again
	}
	s.mu.Lock()
	delete(s.holds, id)
	spent := s.over && len(s.holds) == 0
	s.mu.Unlock()
	if spent {
		s.consumer.remove(s)
	}
	if err != nil {
		s.consumer.lose(err)
	}
	s.poke(o != feed.Ack)
}

// settle carries out all that waits in one transaction, a statement for each outcome.
func (b *broker) settle(all []settlement) []error {
	type kind struct {
		owner   int64
		outcome feed.Outcome
	}
	places := map[kind]map[int64]int{}
	var order []kind
	var dead, back []string
	for i, st := range all {
		k := kind{st.consumer.owner, st.outcome}
		if places[k] == nil {
			places[k] = map[int64]int{}
			order = append(order, k)
		}
		places[k][st.id] = i
		switch st.outcome {
		case feed.Reject:
			dead = append(dead, brokers.DeadLetterQueue(st.queue))
		case feed.Requeue, feed.Unseen:
			back = append(back, st.queue)
		case feed.Ack:
		}
	}
	batch := &pgx.Batch{}
	b.declare(batch, dead)
	for _, k := range order {
		ids := make([]int64, 0, len(places[k]))
		for id := range places[k] {
			ids = append(ids, id)
		}
		slices.Sort(ids) // all lock in one order
		batch.Queue(b.layout.statement(k.outcome), k.owner, ids)
	}
	errs := make([]error, len(all))
	ctx, cancel := bounded(0)
	defer cancel()
	err := b.with(ctx, func(c *pgxpool.Conn) error {
		results := c.SendBatch(ctx, batch)
		for range batch.Len() - len(order) {
			if _, err := results.Exec(); err != nil {
				return errors.Join(err, results.Close())
			}
		}
		for _, k := range order {
			rows, err := results.Query()
			if err != nil {
				return errors.Join(err, results.Close())
			}
			done, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				return errors.Join(err, results.Close())
			}
			for _, id := range done {
				delete(places[k], id)
			}
		}
		return results.Close()
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	if b.layout.owned { // elsewhere it was purged, by a Celery that does not spare what is held
		for _, missing := range places {
			for _, i := range missing {
				errs[i] = errLapsed
			}
		}
	}
	b.bell.ring(append(dead, back...)...)
	return errs
}

func (l *layout) statement(o feed.Outcome) string {
	switch o {
	case feed.Ack:
		return l.ack
	case feed.Requeue:
		return l.requeue
	case feed.Reject:
		return l.reject
	default:
		return l.unseen
	}
}
