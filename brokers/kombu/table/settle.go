package table

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A settlement is one outcome on its way to the database.
type settlement struct {
	id      int64
	queue   string
	outcome feed.Outcome
}

// Each is about rows that are out of sight. That one of them has gone is no error: a Celery that purges its queue does
// not spare what is held.
const (
	ackSQL    = `DELETE FROM kombu_message WHERE visible = 0 AND id IN `
	backSQL   = `UPDATE kombu_message SET visible = 1, timestamp = NULL WHERE visible = 0 AND id IN `
	unseenSQL = `UPDATE kombu_message SET visible = 1, timestamp = NULL, version = version - 1 WHERE visible = 0 AND id IN `
	rejectSQL = `UPDATE kombu_message SET visible = 1, timestamp = NULL, version = 1, queue_id = ? WHERE visible = 0 AND id IN `
)

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	id := int64(tag)
	queue := s.Queue(id)
	err := s.consumer.Cause()
	if err == nil {
		b := s.consumer.broker
		err = b.settles.Do(ctx, settlement{id: id, queue: queue, outcome: o}, func(err error) { s.settled(id, o, err) })
	}
	if err != nil {
		return fmt.Errorf("settle a message of %s in %s: %w", queue, s.consumer.broker.base.Name, err)
	}
	return nil
}

// settled makes room. After an outcome that nobody knows the message may have been given back or not: whoever held it
// must not count on it any more.
func (s *source) settled(id int64, o feed.Outcome, err error) {
	if err != nil && brokers.Definite(err) {
		return // still held, and may be tried again
	}
	if s.Drop(id) {
		s.consumer.Remove(s)
	}
	switch {
	case err != nil:
		s.consumer.Lose(err)
	case o == feed.Ack:
		s.Poke(false)
	default:
		s.consumer.changed() // it may be another source's, or a queue of dead letters
	}
}

// settle carries out what waits, a statement for each outcome and, of the rejected, for each queue.
func (b *Broker) settle(all []settlement) []error {
	errs := make([]error, len(all))
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	sort := func(i, j int) int {
		x, y := all[i], all[j]
		return cmp.Or(cmp.Compare(x.outcome, y.outcome), cmp.Compare(rejectedFrom(x), rejectedFrom(y)), cmp.Compare(x.id, y.id))
	}
	slices.SortFunc(order, sort)
	for len(order) > 0 {
		first, n := all[order[0]], 1
		for n < len(order) && n < atOnce && all[order[n]].outcome == first.outcome && rejectedFrom(all[order[n]]) == rejectedFrom(first) {
			n++
		}
		ids := make([]int64, n)
		for i, place := range order[:n] {
			ids[i] = all[place].id
		}
		err := b.settleSame(first, ids)
		for _, place := range order[:n] {
			errs[place] = err
		}
		order = order[n:]
	}
	return errs
}

// rejectedFrom is the queue, where that makes a difference.
func rejectedFrom(s settlement) string {
	if s.outcome == feed.Reject {
		return s.queue
	}
	return ""
}

func (b *Broker) settleSame(as settlement, ids []int64) error {
	ctx, cancel := bounded(context.Background(), 0)
	defer cancel()
	var statement string
	var all []any
	switch as.outcome {
	case feed.Ack:
		statement = ackSQL
	case feed.Requeue:
		statement = backSQL
	case feed.Reject:
		dead, err := b.queue(ctx, brokers.DeadLetterQueue(as.queue))
		if err != nil {
			return err
		}
		statement, all = rejectSQL, []any{dead}
	default:
		statement = unseenSQL
	}
	_, err := b.exec(ctx, statement+places(len(ids)), append(all, values(ids)...)...)
	return err
}
