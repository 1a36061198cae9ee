package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
)

// Delay implements brokers.Delayer. Any consumer of the same database moves the message when the server's clock says so.
func (b *leaser) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if !until.After(time.Now()) {
		return b.Publish(ctx, m)
	}
	d, err := b.pack(m)
	if err == nil {
		d.ID, d.Due = b.ids.at(until), until
		err = b.delays.Do(ctx, d, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// delay stores what is delayed.
func (l *leasing) delay(docs []document) []error { return store(l.link, l.delayed, docs) }

// moveDue makes ready what is due, for as long as a lease; the rest is the next round's. One consumer alone does it at a
// time. One that dies over it may have moved what the next moves again.
func (l *leasing) moveDue(c clock) {
	due := before("due", c.told)
	var waits []mark
	err := l.link.do(context.Background(), func(ctx context.Context) error {
		return all(ctx, l.delayed, due, &waits, options.Find().SetProjection(bson.D{{Key: "queue", Value: 1}}).SetLimit(1))
	})
	if err != nil || len(waits) == 0 {
		return
	}
	began := time.Now()
	var g gulp
	l.alone("delayed", c, func(ctx context.Context) (write func(ctx context.Context) error, err error) {
		var docs []document
		earliest := options.Find().SetSort(bson.D{{Key: "due", Value: 1}}).SetLimit(int64(g.most(atOnce)))
		if time.Since(began) < lease {
			err = all(ctx, l.delayed, due, &docs, earliest)
		}
		if err != nil || len(docs) == 0 {
			return nil, err
		}
		g.learn(docs)
		return func(ctx context.Context) error { return l.move(ctx, docs) }, nil
	})
}

// move makes delayed messages ready.
func (l *leasing) move(ctx context.Context, docs []document) error {
	ids := make([]bson.ObjectID, len(docs))
	for i := range docs {
		ids[i] = docs[i].ID
		docs[i].Due = time.Time{}
	}
	if _, err := doubled(insert(ctx, l.waiting, docs)); err != nil { // an earlier mover may have got as far as this
		return err
	}
	l.link.wake(docs)
	_, err := l.delayed.DeleteMany(ctx, oneOf("_id", ids))
	return err
}
