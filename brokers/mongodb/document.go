package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A document is a message as a collection has it. kombu's are the first four fields.
type document struct {
	ID       bson.ObjectID `bson:"_id"`
	Payload  string        `bson:"payload,omitempty"`
	Queue    string        `bson:"queue"`
	Priority int32         `bson:"priority"` // 0 is the most urgent

	Envelope []byte    `bson:"envelope,omitempty"`
	Handed   int32     `bson:"handed,omitempty"` // how often it was handed out and came back
	Owner    string    `bson:"owner,omitempty"`  // the consumer that holds it
	Due      time.Time `bson:"due,omitempty"`
}

// urgency is how MongoDB's priorities are counted, by kombu and by us: 9 is the most urgent of messages.
func urgency(m brokers.Message) int32 { return 9 - int32(min(m.Priority, 9)) }

func (d document) size() int { return len(d.Envelope) + len(d.Payload) + 100 }

// A layout is how a variant keeps messages in collections.
type layout interface {
	// pack makes the document of a message, all but its name.
	pack(m brokers.Message) (document, error)

	// ready is where messages wait.
	ready() *driver.Collection

	// count tells how many messages of a queue wait, and how many are held: -1 where nobody knows.
	count(ctx context.Context, queue string) (ready, unacked int, err error)

	// settle carries out settlements, with one outcome for each.
	settle(all []settlement) []error

	// join makes ready to take for a subscription.
	join(ctx context.Context, s *subscription) (tenure, error)
}

// A tenure is one subscription's right to take messages.
type tenure interface {
	// most is how many messages one claim may take.
	most() int

	// claim takes up to n messages of the queues, the most urgent first, and passes over those in skip. It returns those
	// that it found and that are another's.
	claim(ctx context.Context, queues []string, n int, skip []bson.ObjectID) (got []document, passed []bson.ObjectID, err error)

	// tend is called every so often while the tenure lasts. It asks the server something, which is how a link that died
	// silently is noticed.
	tend(ctx context.Context) error

	// leave ends the tenure. Left undone, its lease does.
	leave(ctx context.Context)

	// unpack reads a document.
	unpack(d document) feed.Item
}

func of(queue string) bson.D { return bson.D{{Key: "queue", Value: queue}} }

func oneOf[T any](field string, values []T) bson.D {
	if len(values) == 1 {
		return bson.D{{Key: field, Value: values[0]}}
	}
	return bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: values}}}}
}

// urgentFirst finds up to n documents of the queues, and passes over those in skip.
func urgentFirst(ctx context.Context, c *driver.Collection, queues []string, n int, skip []bson.ObjectID) (found []document, err error) {
	filter := oneOf("queue", queues)
	if len(skip) > 0 {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$nin", Value: skip}}})
	}
	order := bson.D{{Key: "priority", Value: 1}, {Key: "_id", Value: 1}}
	err = all(ctx, c, filter, &found, options.Find().SetSort(order).SetLimit(int64(n)))
	return found, err
}

// all reads the whole of what a filter fits, or of the part of it that is asked for.
func all[T any](ctx context.Context, c *driver.Collection, filter bson.D, found *[]T, o ...options.Lister[options.FindOptions]) error {
	cursor, err := c.Find(ctx, filter, o...)
	if err != nil {
		return err
	}
	return cursor.All(ctx, found)
}

// number counts by the command: the library's own way is an aggregation, which costs more.
func number(ctx context.Context, c *driver.Collection, queue string) (int, error) {
	var r struct {
		N int `bson:"n"`
	}
	err := c.Database().RunCommand(ctx, bson.D{{Key: "count", Value: c.Name()}, {Key: "query", Value: of(queue)}}).Decode(&r)
	return r.N, err
}

// index makes sure that a collection has one.
func index(ctx context.Context, c *driver.Collection, fields ...string) error {
	keys := bson.D{}
	for _, f := range fields {
		keys = append(keys, bson.E{Key: f, Value: 1})
	}
	_, err := c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: keys})
	return err
}
