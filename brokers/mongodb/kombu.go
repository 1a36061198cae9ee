package mongodb

import (
	"context"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

// fetching implements layout as kombu does: a message is removed when it is fetched, and what is held is in nobody's
// memory but the consumer's.
type fetching struct {
	link     *link
	messages *driver.Collection
	routing  *driver.Collection

	mu      sync.Mutex
	indexed bool
}

func newFetching(l *link) *fetching {
	return &fetching{link: l, messages: l.db.Collection("messages"), routing: l.db.Collection("messages.routing")}
}

func (f *fetching) pack(m brokers.Message) (document, error) {
	payload, err := kombu.Encode(m, "", m.Queue)
	return document{Queue: m.Queue, Priority: urgency(m), Payload: string(payload)}, err
}

func (f *fetching) ready() *driver.Collection { return f.messages }

func (f *fetching) count(ctx context.Context, queue string) (ready, unacked int, err error) {
	ready, err = number(ctx, f.messages, queue)
	return ready, -1, err
}

// settle inserts again what is given back, under its own name and so in its place. All else was settled when it was
// fetched. Kombu, too, gives back what a consumer held that ends well.
func (f *fetching) settle(all []settlement) []error {
	errs := make([]error, len(all))
	var back []document
	var places []int
	for i, st := range all {
		if st.outcome == feed.Requeue || st.outcome == feed.Unseen {
			back, places = append(back, st.doc), append(places, i)
		}
	}
	for i, err := range store(f.link, f.messages, back) {
		errs[places[i]] = err
	}
	f.link.wake(back)
	return errs
}

// join makes what kombu makes when it declares a queue: its index, and the binding to a direct exchange of its name.
func (f *fetching) join(ctx context.Context, s *subscription) (tenure, error) {
	if err := f.index(ctx); err != nil {
		return nil, fmt.Errorf("make indexes: %w", err)
	}
	for _, q := range s.queues {
		bound := bson.D{{Key: "exchange", Value: q}, {Key: "queue", Value: q}, {Key: "routing_key", Value: q}, {Key: "pattern", Value: nil}}
		_, err := f.routing.UpdateOne(ctx, bound, bson.D{{Key: "$set", Value: bound}}, options.UpdateOne().SetUpsert(true))
		if err != nil {
			return nil, fmt.Errorf("bind queue %s: %w", q, err)
		}
	}
	return fetcher{f}, nil
}

func (f *fetching) index(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.indexed {
		return nil
	}
	err := index(ctx, f.messages, "queue", "priority", "_id")
	if err == nil {
		err = index(ctx, f.routing, "queue", "exchange")
	}
	f.indexed = err == nil
	return err
}

// A fetcher implements tenure; there is nothing to keep.
type fetcher struct{ f *fetching }

func (t fetcher) most() int { return 16 } // each is removed by itself

// claim finds messages and removes them one by one: what a removal counts says whose the message is, as what
// find-and-modify returns does not with a server that does it in two steps. What was removed before a failure is lost.
func (t fetcher) claim(ctx context.Context, queues []string, n int, skip []bson.ObjectID) (got []document, passed []bson.ObjectID, err error) {
	found, err := urgentFirst(ctx, t.f.messages, queues, n, skip)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range found {
		r, err := t.f.messages.DeleteOne(ctx, bson.D{{Key: "_id", Value: d.ID}})
		if err != nil {
			return nil, nil, err
		}
		if r.DeletedCount == 1 {
			got = append(got, d)
		} else {
			passed = append(passed, d.ID)
		}
	}
	return got, passed, nil
}

func (t fetcher) tend(ctx context.Context) error {
	return t.f.link.client.Ping(ctx, nil)
}

func (t fetcher) leave(context.Context) {}

func (t fetcher) unpack(d document) feed.Item {
	m, redelivered := kombu.Decode(d.Queue, d.Payload)
	return feed.Item{Message: m, Redelivered: redelivered}
}
