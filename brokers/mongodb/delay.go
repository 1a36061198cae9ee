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

// moveDue makes ready what is due at a time of the server's clock, and returns when nothing more is. One consumer alone
// does it at a time. One that dies over it may have moved what the next moves again.
func (l *leasing) moveDue(ctx context.Context, now time.Time) error {
	first := options.Find().SetSort(bson.D{{Key: "due", Value: 1}}).SetLimit(atOnce)
	locked := false
	defer func() {
		if locked {
			l.remove(mover, now.Add(lease))
		}
	}()
	for {
		var docs []document
		if err := all(ctx, l.delayed, before("due", now), &docs, first); err != nil || len(docs) == 0 {
			return err
		}
		if !locked {
			if locked = l.inherit(moverOf, now); !locked {
				return nil
			}
			continue // somebody may have moved them meanwhile
		}
		ids := make([]bson.ObjectID, len(docs))
		for i := range docs {
			ids[i] = docs[i].ID
			docs[i].Due = time.Time{}
		}
		for _, err := range store(l.link, l.waiting, docs) {
			if err != nil && !isDouble(err) {
				return err
			}
		}
		if _, err := l.delayed.DeleteMany(ctx, oneOf("_id", ids)); err != nil {
			return err
		}
		l.wake(docs)
	}
}

// Whoever moves what is due is known as the heir of this name.
const (
	moverOf = "delayed"
	mover   = heir + moverOf
)
