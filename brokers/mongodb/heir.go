package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// heir begins the name of an entry that is no consumer, but whoever clears up after one.
const heir = "heir:"

// A clock goes on from a time that the server told after it had been asked.
type clock struct{ told, asked time.Time }

func (c clock) now() time.Time { return c.told.Add(time.Since(c.asked)).Truncate(time.Millisecond) } // as it is stored

// alone has one client at a time do a piece of work, part by part: find looks for the next, and returns what does it, or nil
// when there are no more.
//
// Whatever is written has half a lease: what was not asked for by then the next heir asks for, and what was asked for and is
// carried out late has the other half to be seen. So the name is given back at once after work that went well, and is
// left to run out after any other. Who finds the name his no more has found what another may have done since.
func (l *leasing) alone(of string, c clock, find func(ctx context.Context) (write func(ctx context.Context) error, err error)) {
	e := entry{ID: heir + of, Seen: c.now()}
	if !within(lease/2, func(ctx context.Context) error {
		_, err := l.consumers.InsertOne(ctx, e)
		return err
	}) {
		return
	}
	for {
		var write func(ctx context.Context) error
		if !within(patience, func(ctx context.Context) (err error) {
			write, err = find(ctx)
			return err
		}) {
			return
		}
		if write == nil {
			break
		}
		if !within(lease/2, func(ctx context.Context) error {
			if err := l.extend(ctx, &e, c.now()); err != nil {
				return err
			}
			return write(ctx)
		}) {
			return
		}
	}
	within(lease/2, func(ctx context.Context) error {
		_, err := l.remove(ctx, e.ID, e.Seen.Add(lease)) // an heir after this one would have been seen later than that
		return err
	})
}

func within(d time.Duration, f func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx) == nil
}

// extend has an heir be seen now, if nobody has taken it for dead before.
func (l *leasing) extend(ctx context.Context, e *entry, now time.Time) error {
	was := append(named(e.ID), bson.E{Key: "seen", Value: e.Seen})
	r, err := l.consumers.UpdateOne(ctx, was, bson.D{{Key: "$set", Value: bson.D{{Key: "seen", Value: now}}}})
	if err == nil && r.MatchedCount == 0 {
		err = errLapsed
	}
	e.Seen = now
	return err
}

// remove removes an entry that was seen last before a time, and tells whether it did.
func (l *leasing) remove(ctx context.Context, id string, limit time.Time) (bool, error) {
	r, err := l.consumers.DeleteOne(ctx, append(named(id), before("seen", limit)...))
	return err == nil && r.DeletedCount == 1, err
}

// restore has wait again some of what an owner held, and of what it was about to take, under other names: the server may still
// have to carry out what the owner asked for last, which is to remove those that it took from where they waited.
func (l *leasing) restore(ctx context.Context, owner string, g *gulp) (write func(ctx context.Context) error, err error) {
	his := bson.D{{Key: "owner", Value: owner}}
	var docs []document
	err = all(ctx, l.held, his, &docs, options.Find().SetLimit(int64(g.most(atOnce))))
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	g.learn(docs)
	ids := make([]bson.ObjectID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
		docs[i].ID, docs[i].Owner = renamed(d), ""
		docs[i].Handed++
	}
	return func(ctx context.Context) error {
		if _, err := doubled(insert(ctx, l.waiting, docs)); err != nil { // an earlier heir may have got as far as this
			return err
		}
		if _, err := l.waiting.DeleteMany(ctx, oneOf("_id", ids)); err != nil {
			return err
		}
		l.link.wake(docs)
		_, err := l.held.DeleteMany(ctx, append(oneOf("_id", ids), his...))
		return err
	}, nil
}
