package mongodb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// leasing implements layout: messages wait in one collection, and are held in another.
type leasing struct {
	link      *link
	waiting   *driver.Collection
	held      *driver.Collection
	delayed   *driver.Collection
	consumers *driver.Collection

	mu      sync.Mutex
	indexed bool
}

func newLeasing(l *link) *leasing {
	return &leasing{
		link: l, waiting: l.db.Collection("taskbench.ready"), held: l.db.Collection("taskbench.held"),
		delayed: l.db.Collection("taskbench.delayed"), consumers: l.db.Collection("taskbench.consumers"),
	}
}

func (l *leasing) pack(m brokers.Message) (document, error) {
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	return document{Queue: m.Queue, Priority: urgency(m), Envelope: data}, err
}

func (l *leasing) ready() *driver.Collection { return l.waiting }

func (l *leasing) count(ctx context.Context, queue string) (ready, unacked int, err error) {
	if ready, err = number(ctx, l.waiting, queue); err == nil {
		unacked, err = number(ctx, l.held, queue)
	}
	return ready, unacked, err
}

// join makes the indexes, and the consumer known, so that its claims have an owner.
func (l *leasing) join(ctx context.Context, s *subscription) (tenure, error) {
	if err := l.index(ctx); err != nil {
		return nil, fmt.Errorf("make indexes: %w", err)
	}
	k := &keeper{l: l, id: s.id}
	s.lasts = lease
	_, err := k.renew(ctx, true)
	return k, err
}

func (l *leasing) index(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.indexed {
		return nil
	}
	for _, i := range []struct {
		c      *driver.Collection
		fields []string
	}{
		{l.waiting, []string{"queue", "priority", "_id"}}, {l.held, []string{"owner"}}, {l.held, []string{"queue"}},
		{l.delayed, []string{"due"}},
	} {
		if err := index(ctx, i.c, i.fields...); err != nil {
			return err
		}
	}
	l.indexed = true
	return nil
}

// A keeper implements tenure: its lease is a document of the consumers, and what it holds carries its name.
type keeper struct {
	l      *leasing
	id     string
	rounds int // of tending
	busy   atomic.Bool
	gulp   gulp
	ahead  []document // found, and not yet claimed
	asOf   time.Time
}

func (k *keeper) most() int { return k.gulp.most(100) }

// unpack shows what is no message of ours as one without headers, for the worker to reject.
func (k *keeper) unpack(d document) feed.Item {
	m, err := envelope.Decode(d.Envelope)
	if err != nil {
		m = brokers.Message{Body: d.Envelope}
	}
	m.Queue = d.Queue
	return feed.Item{Message: m, Redelivered: d.Handed > 0, Deliveries: int(d.Handed) + 1}
}

// provisionKeeps is how long a consumer takes from what it has found. With servers that look at all that waits for each
// question it asks for more than it wants; a message that is more urgent comes so much later, at most.
const provisionKeeps = 300 * time.Millisecond

// find looks for messages to claim.
func (k *keeper) find(ctx context.Context, queues []string, n int, skip []bson.ObjectID) ([]document, error) {
	if len(k.ahead) == 0 || time.Since(k.asOf) > provisionKeeps {
		ask := n
		if k.l.link.server.Ferret != "" {
			ask = max(n, k.most())
		}
		found, err := urgentFirst(ctx, k.l.waiting, queues, ask, skip)
		if err != nil {
			return nil, err
		}
		k.gulp.learn(found)
		k.ahead, k.asOf = found, time.Now()
	}
	n = min(n, len(k.ahead))
	found := k.ahead[:n:n]
	k.ahead = k.ahead[n:]
	return found, nil
}

// claim decides by an insert, whose unique name one can have: two updates of one document both succeed with servers that
// read and write it in two steps. Only then it looks whether the message was still waiting, which by then nobody else
// can change: whoever had held it before had removed it from there before it let go.
func (k *keeper) claim(ctx context.Context, queues []string, n int, skip []bson.ObjectID) (got []document, passed []bson.ObjectID, err error) {
	found, err := k.find(ctx, queues, n, skip)
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	for i := range found {
		found[i].Owner = k.id
	}
	taken, err := doubled(insert(ctx, k.l.held, found))
	if err != nil {
		return nil, nil, err
	}
	var ours []bson.ObjectID
	for i, d := range found {
		if taken[i] {
			passed = append(passed, d.ID)
			continue
		}
		ours = append(ours, d.ID)
		got = append(got, d)
	}
	if len(ours) == 0 {
		return nil, passed, nil
	}
	there, err := marks(ctx, k.l.waiting, oneOf("_id", ours))
	if err != nil {
		return nil, nil, err
	}
	ours = ours[:0]
	var stale []bson.ObjectID // settled since they were found, or given back, or put aside
	fresh := got[:0]
	for _, d := range got {
		if m, waits := there[d.ID]; waits && m.Queue == d.Queue {
			d.Handed = m.Handed
			ours, fresh = append(ours, d.ID), append(fresh, d)
		} else {
			stale = append(stale, d.ID)
		}
	}
	if len(stale) > 0 {
		filter := append(oneOf("_id", stale), bson.E{Key: "owner", Value: k.id})
		if _, err := k.l.held.DeleteMany(ctx, filter); err != nil {
			return nil, nil, err
		}
	}
	if len(fresh) > 0 {
		_, err = k.l.waiting.DeleteMany(ctx, oneOf("_id", ours))
	}
	return fresh, append(passed, stale...), err
}

// leave ends the lease. What is still held under it is found to be nobody's.
func (k *keeper) leave(ctx context.Context) {
	_, _ = k.l.consumers.DeleteOne(ctx, named(k.id))
}

func named(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }
