package mongodb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	lease   = 6 * time.Second // how long after its last sign of life a consumer counts as dead
	orphans = 8               // rounds of tending between searches for what nobody holds
	atOnce  = 200             // documents moved in one exchange, at most
)

var errLapsed = fmt.Errorf("the lease ran out, because this process stood still or could not write for %v: what it held has been given to others", lease)

// An entry is one of the consumers.
type entry struct {
	ID   string    `bson:"_id"`
	Seen time.Time `bson:"seen"` // by the server's clock
}

// renew has the server write down its own time, and returns that.
func (k *keeper) renew(ctx context.Context, create bool) (time.Time, error) {
	o := options.FindOneAndUpdate().SetUpsert(create).SetReturnDocument(options.After)
	now := bson.D{{Key: "$currentDate", Value: bson.D{{Key: "seen", Value: true}}}}
	var e entry
	err := k.l.consumers.FindOneAndUpdate(ctx, named(k.id), now, o).Decode(&e)
	if errors.Is(err, driver.ErrNoDocuments) {
		err = errLapsed
	}
	return e.Seen, err
}

// tend renews the lease, and looks after what dead consumers left and what is due. That may take long, and must not
// hold up the renewing.
func (k *keeper) tend(ctx context.Context) error {
	asked := time.Now()
	now, err := k.renew(ctx, false)
	if err != nil {
		return err
	}
	if k.busy.CompareAndSwap(false, true) {
		k.rounds++
		search := k.rounds%orphans == 0
		go func() {
			defer k.busy.Store(false)
			k.l.sweep(clock{told: now, asked: asked}, search)
		}()
	}
	return nil
}

// sweep gives back what consumers hold whose lease had ended when the server told its time, and moves what is due.
// Failures are left to the next round, or to another consumer.
func (l *leasing) sweep(c clock, search bool) {
	l.moveDue(c)
	limit := c.told.Add(-lease)
	var dead []entry
	err := l.link.do(context.Background(), func(ctx context.Context) error {
		return all(ctx, l.consumers, before("seen", limit), &dead)
	})
	if err != nil {
		return
	}
	for _, e := range dead {
		if strings.HasPrefix(e.ID, heir) { // it died over its work, which the search finds
			within(patience, func(ctx context.Context) error {
				_, err := l.remove(ctx, e.ID, limit)
				return err
			})
			continue
		}
		ended := false
		l.inherit(e.ID, c, func(ctx context.Context) (_ bool, err error) {
			if !ended {
				ended, err = l.remove(ctx, e.ID, limit)
			}
			return ended, err
		})
	}
	if !search {
		return
	}
	for _, owner := range l.unowned() {
		l.inherit(owner, c, func(context.Context) (bool, error) { return true, nil })
	}
}

// inherit has wait again all that an owner held, if that has ended.
func (l *leasing) inherit(owner string, c clock, ended func(ctx context.Context) (bool, error)) {
	var g gulp
	l.alone(owner, c, func(ctx context.Context) (write func(ctx context.Context) error, err error) {
		if over, err := ended(ctx); err != nil || !over {
			return nil, err
		}
		return l.restore(ctx, owner, &g)
	})
}

// unowned finds the holders that are no consumers. A consumer is known before it holds anything: so those that seem to be
// none, since they came after the question, are asked for once more.
func (l *leasing) unowned() (lost []string) {
	var strangers []document
	err := l.link.do(context.Background(), func(ctx context.Context) error {
		known, err := l.known(ctx)
		if err != nil {
			return err
		}
		other := bson.D{{Key: "owner", Value: bson.D{{Key: "$nin", Value: slices.AppendSeq([]string{}, maps.Keys(known))}}}}
		o := options.Find().SetProjection(bson.D{{Key: "owner", Value: 1}}).SetLimit(atOnce)
		if err := all(ctx, l.held, other, &strangers, o); err != nil || len(strangers) == 0 {
			return err
		}
		if known, err = l.known(ctx); err != nil {
			return err
		}
		for _, d := range strangers {
			if !known[d.Owner] && !known[heir+d.Owner] && !slices.Contains(lost, d.Owner) {
				lost = append(lost, d.Owner)
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return lost
}

// known are the names of the consumers that there are.
func (l *leasing) known(ctx context.Context) (map[string]bool, error) {
	var entries []entry
	if err := all(ctx, l.consumers, bson.D{}, &entries); err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.ID] = true
	}
	return names, nil
}

// renamed is another name for a document, in its place among the others, and the same for all who ask for it.
func renamed(d document) bson.ObjectID {
	id := d.ID
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, id.Hex(), d.Handed) // a hash takes all
	binary.BigEndian.PutUint32(id[8:], h.Sum32())
	return id
}

func before(field string, t time.Time) bson.D {
	return bson.D{{Key: field, Value: bson.D{{Key: "$lt", Value: t}}}}
}
