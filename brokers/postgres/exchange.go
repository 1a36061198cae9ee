package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A wish is one thing that a source wants of the server: a settlement, or a claim where the outcome is 0.
type wish struct {
	source  *source
	id      int64
	queue   string
	outcome feed.Outcome
}

// An exchange carries out many wishes in one transaction, so that they share its fsync: first the settlements, a
// statement for each outcome, then the claims. A claim may fill the room that the settlements beside it make, as all of
// that happens or none.
type exchange struct {
	layout *layout
	wishes []wish
	errs   []error // one for each wish

	kinds   []kind
	places  map[kind]map[int64]int // where in wishes the messages of a kind are
	freed   map[*source]int
	claims  []int // where in wishes
	asked   []*claim
	dead    []string // queues of rejected messages
	changed []string // queues that get something
}

// A kind of settlement is one statement.
type kind struct {
	owner   int64
	outcome feed.Outcome
}

func newExchange(l *layout, wishes []wish) *exchange {
	x := &exchange{
		layout: l, wishes: wishes, errs: make([]error, len(wishes)), places: map[kind]map[int64]int{}, freed: map[*source]int{},
	}
	for i, w := range wishes {
		switch w.outcome {
		case 0:
			x.claims = append(x.claims, i)
			continue
		case feed.Reject:
			x.dead = append(x.dead, brokers.DeadLetterQueue(w.queue))
		case feed.Requeue, feed.Unseen:
			x.changed = append(x.changed, w.queue)
		case feed.Ack:
		}
		k := kind{w.source.consumer.owner, w.outcome}
		if x.places[k] == nil {
			x.places[k] = map[int64]int{}
			x.kinds = append(x.kinds, k)
		}
		x.places[k][w.id] = i
		x.freed[w.source]++
	}
	x.changed = append(x.changed, x.dead...)
	x.asked = make([]*claim, len(x.claims))
	return x
}

// batch is all that there is to ask.
func (x *exchange) batch() *pgx.Batch {
	batch := &pgx.Batch{}
	if x.layout.declare != "" && len(x.dead) > 0 {
		batch.Queue(x.layout.declare, x.dead)
	}
	for _, k := range x.kinds {
		ids := make([]int64, 0, len(x.places[k]))
		for id := range x.places[k] {
			ids = append(ids, id)
		}
		slices.Sort(ids) // all lock in one order
		batch.Queue(x.layout.settlement(k.outcome), k.owner, ids).Query(func(rows pgx.Rows) error {
			done, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			for _, id := range done {
				delete(x.places[k], id)
			}
			return err
		})
	}
	for n, i := range x.claims {
		s := x.wishes[i].source
		c := s.plan(x.freed[s])
		if c.most > 0 {
			batch.Queue(x.layout.claim, s.consumer.owner, c.queues, c.shares, c.most).Query(c.read)
		}
		x.asked[n] = c
	}
	return batch
}

// serve carries out all that waits.
func (b *broker) serve(wishes []wish) []error {
	x := newExchange(b.layout, wishes)
	ctx, cancel := bounded(0)
	defer cancel()
	err := b.with(ctx, func(c *pgxpool.Conn) error {
		x = newExchange(b.layout, wishes) // what an attempt has noted that was undone does not hold
		return x.send(c.Conn())
	})
	if err != nil {
		for i := range x.errs {
			x.errs[i] = err
		}
	}
	x.tell()
	if len(x.changed) > 0 {
		b.bell.ring(x.changed...)
	}
	return x.errs
}

func (x *exchange) send(conn *pgx.Conn) error {
	batch := x.batch()
	if batch.Len() == 0 {
		return nil
	}
	ctx, cancel := lineOf(conn).whileHeard()
	defer cancel()
	err := conn.SendBatch(ctx, batch).Close()
	if silent := context.Cause(ctx); err != nil && silent != nil {
		return fmt.Errorf("%w: %w", silent, err)
	}
	return err
}

// tell lets the sources know how it went: first of what they do not hold any more, as they may have claimed it again.
func (x *exchange) tell() {
	if x.layout.owned { // elsewhere it was purged, by a Celery that does not spare what is held
		for _, missing := range x.places {
			for _, i := range missing {
				if x.errs[i] == nil {
					x.errs[i] = errLapsed
				}
			}
		}
	}
	for i, w := range x.wishes {
		if w.outcome != 0 {
			w.source.settled(w.id, w.outcome, x.errs[i])
		}
	}
	for n, i := range x.claims {
		c := x.asked[n]
		switch {
		case x.errs[i] != nil:
		case len(c.rows) > 0 && c.rows[0].handed == 0: // it belongs to nobody: there is no such consumer any more
			x.errs[i] = errLapsed
		default:
			x.wishes[i].source.take(c)
		}
	}
}

func (l *layout) settlement(o feed.Outcome) string {
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
