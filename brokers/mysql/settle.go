package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A settlement is one outcome on its way to the server.
type settlement struct {
	consumer *consumer
	id       int64
	outcome  feed.Outcome
}

// Each settles only what is still the consumer's own.
const (
	ackSQL     = `DELETE FROM taskbench_message WHERE owner = ? AND id IN `
	requeueSQL = `UPDATE taskbench_message SET owner = 0 WHERE owner = ? AND id IN `
	unseenSQL  = `UPDATE taskbench_message SET owner = 0, handed = handed - 1 WHERE owner = ? AND id IN `
)

var rejectSQL = fmt.Sprintf(`UPDATE taskbench_message SET queue = CONCAT(queue, '%s'), owner = 0, handed = 0, expires = NULL WHERE owner = ? AND id IN `,
	brokers.DeadLetterQueue(""))

func statement(o feed.Outcome) string {
	switch o {
	case feed.Ack:
		return ackSQL
	case feed.Requeue:
		return requeueSQL
	case feed.Reject:
		return rejectSQL
	default:
		return unseenSQL
	}
}

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	id := int64(tag)
	err := s.consumer.Cause()
	if err == nil {
		st := settlement{consumer: s.consumer, id: id, outcome: o}
		err = s.consumer.broker.settles.Do(ctx, st, func(err error) { s.settled(id, o, err) })
	}
	if err != nil {
		return fmt.Errorf("settle a message in mysql: %w", err)
	}
	return nil
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept alive;
// only the end of that lease is sure to bring it back, so the consumer ends with it.
func (s *source) settled(id int64, o feed.Outcome, err error) {
	if err != nil && brokers.Definite(err) && !errors.Is(err, errLapsed) {
		return // still held, and may be tried again
	}
	if s.Drop(id) {
		s.consumer.Remove(s)
	}
	if err != nil {
		s.consumer.Lose(err)
		return
	}
	if o == feed.Ack {
		s.Poke(false)
	} else {
		s.consumer.changed("") // it may be another source's, or a queue of dead letters
	}
}

// settle carries out what waits, a statement for each outcome of a consumer.
func (b *broker) settle(all []settlement) []error {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { // by id, too, so that all lock in one order
		x, y := all[i], all[j]
		return cmp.Or(cmp.Compare(x.outcome, y.outcome), cmp.Compare(x.consumer.owner, y.consumer.owner), cmp.Compare(x.id, y.id))
	})
	errs := make([]error, len(all))
	for len(order) > 0 {
		first, n := all[order[0]], 1
		for n < len(order) && n < exchangeCount && all[order[n]].outcome == first.outcome && all[order[n]].consumer == first.consumer {
			n++
		}
		ids := make([]int64, n)
		for i, place := range order[:n] {
			ids[i] = all[place].id
		}
		err := b.settleSame(first.consumer.owner, first.outcome, ids)
		for _, place := range order[:n] {
			errs[place] = err
		}
		order = order[n:]
	}
	return errs
}

func (b *broker) settleSame(owner int64, o feed.Outcome, ids []int64) error {
	ctx, cancel := bounded(0)
	defer cancel()
	var done int64
	err := b.with(ctx, func(c *sql.Conn) error {
		r, err := c.ExecContext(ctx, statement(o)+list(len(ids)), args(owner, ids)...)
		if err == nil {
			done, err = r.RowsAffected()
		}
		return err
	})
	switch {
	case err != nil || done == int64(len(ids)):
		return err
	case done == 0:
		return errLapsed
	}
	// The server does not say which; whoever takes the rest finds out.
	return fmt.Errorf("of %d messages only %d were still held, as the lease ran out", len(ids), done)
}

// list is so many places for values.
func list(n int) string { return "(" + strings.Repeat("?, ", n-1) + "?)" }

func args(first int64, rest []int64) []any {
	all := make([]any, 0, len(rest)+1)
	all = append(all, first)
	for _, id := range rest {
		all = append(all, id)
	}
	return all
}
