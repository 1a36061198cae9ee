package mongodb

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// settle ends the holding of what was acknowledged, and puts the rest where it belongs before it does.
func (l *leasing) settle(all []settlement) []error {
	errs := make([]error, len(all))
	owners := map[string][]int{}
	for i, st := range all {
		owners[st.sub.id] = append(owners[st.sub.id], i)
	}
	for owner, places := range owners {
		for part := range slices.Chunk(places, exchangeCount) {
			l.settleFor(owner, all, part, errs)
		}
	}
	return errs
}

// settleFor carries out those of the settlements that are at the places, all of one owner.
func (l *leasing) settleFor(owner string, all []settlement, places []int, errs []error) {
	var back []document
	var from, ending []int
	for _, place := range places {
		d := all[place].doc
		d.Owner = ""
		switch all[place].outcome {
		case feed.Ack:
			ending = append(ending, place)
			continue
		case feed.Requeue:
			d.Handed++
		case feed.Reject:
			d.Queue, d.Handed = brokers.DeadLetterQueue(d.Queue), 0
		}
		back, from = append(back, d), append(from, place)
	}
	for i, err := range l.putBack(owner, back) {
		if errs[from[i]] = err; err == nil {
			ending = append(ending, from[i])
		}
	}
	if len(ending) > 0 {
		ids := make([]bson.ObjectID, len(ending))
		for i, place := range ending {
			ids[i] = all[place].doc.ID
		}
		err := l.release(owner, ids)
		for _, place := range ending {
			errs[place] = err
		}
	}
	l.link.wake(back)
}

// putBack has messages wait again that an owner holds. What it holds no more is another's business: it may have been
// done since.
func (l *leasing) putBack(owner string, back []document) []error {
	if len(back) == 0 {
		return nil
	}
	ids := make([]bson.ObjectID, len(back))
	for i, d := range back {
		ids[i] = d.ID
	}
	var held map[bson.ObjectID]mark
	err := l.link.do(context.Background(), func(ctx context.Context) (err error) {
		held, err = marks(ctx, l.held, append(oneOf("_id", ids), bson.E{Key: "owner", Value: owner}))
		return err
	})
	errs := make([]error, len(back))
	var docs []document
	var places []int
	for i, d := range back {
		if _, ours := held[d.ID]; ours {
			docs, places = append(docs, d), append(places, i)
		} else if errs[i] = err; err == nil {
			errs[i] = errGone
		}
	}
	for i, err := range store(l.link, l.waiting, docs) {
		if isDouble(err) { // an earlier attempt got as far as this
			err = nil
		}
		errs[places[i]] = err
	}
	return errs
}

// release ends the holding of an owner's messages. Where one is not held by it any more its lease has ended, and then
// none of the others is sure to have been.
func (l *leasing) release(owner string, ids []bson.ObjectID) error {
	return l.link.do(context.Background(), func(ctx context.Context) error {
		filter := append(oneOf("_id", ids), bson.E{Key: "owner", Value: owner})
		r, err := l.held.DeleteMany(ctx, filter)
		if err == nil && int(r.DeletedCount) < len(ids) {
			err = errGone
		}
		return err
	})
}

// A mark is the little of a document that changes.
type mark struct {
	ID     bson.ObjectID `bson:"_id"`
	Queue  string        `bson:"queue"`
	Handed int32         `bson:"handed"`
}

// marks finds those of the documents that a filter fits.
func marks(ctx context.Context, c *driver.Collection, filter bson.D) (map[bson.ObjectID]mark, error) {
	only := options.Find().SetProjection(bson.D{{Key: "queue", Value: 1}, {Key: "handed", Value: 1}})
	var found []mark
	if err := all(ctx, c, filter, &found, only); err != nil {
		return nil, err
	}
	there := make(map[bson.ObjectID]mark, len(found))
	for _, m := range found {
		there[m.ID] = m
	}
	return there, nil
}
