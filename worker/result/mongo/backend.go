package mongo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/board"
)

const (
	patience = 10 * time.Second      // bounds every question to the server
	interval = 50 * time.Millisecond // between questions while somebody waits
	together = 1000                  // ids in one question
)

// Backend implements result.Backend, Groups, Claimer and Cleaner.
type Backend struct {
	client *driver.Client
	tasks  *driver.Collection
	groups *driver.Collection
	claims *driver.Collection
	life   time.Duration // 0: for ever
	news   *board.Poller

	closing sync.Once
	closed  chan struct{}
}

// Open returns once the server has answered and the indexes are there.
func Open(ctx context.Context, rawURL string, o result.Options) (*Backend, error) {
	refuse := func(cause error) error {
		return fmt.Errorf("read mongodb URL: %w", brokers.RefuseURL(rawURL, "mongodb://user:password@host:port/database", cause))
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "mongodb" && u.Scheme != "mongodb+srv" {
		return nil, refuse(errors.New("the scheme is another"))
	}
	settings := options.Client().ApplyURI(rawURL).SetTimeout(patience).SetServerSelectionTimeout(patience).SetConnectTimeout(patience)
	if settings.Validate() != nil { // its words may quote the URL
		return nil, refuse(errors.New("the driver does not understand its options"))
	}
	client, err := driver.Connect(settings)
	if err != nil {
		return nil, refuse(errors.New("the driver does not understand it"))
	}
	name := strings.Trim(u.Path, "/")
	if name == "" {
		name = "celery"
	}
	db := client.Database(name)
	b := &Backend{
		client: client, tasks: db.Collection("celery_taskmeta"), groups: db.Collection("celery_groupmeta"),
		claims: db.Collection("taskbench_claims"),
		life:   o.Lifetime(), closed: make(chan struct{}),
	}
	for _, c := range []*driver.Collection{b.tasks, b.groups} {
		if _, err := c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "date_done", Value: 1}}}); err != nil {
			_ = client.Disconnect(context.WithoutCancel(ctx)) // it was of no use
			return nil, fmt.Errorf("open results in mongodb at %s: %w", u.Host, err)
		}
	}
	b.news = board.Poll(interval, patience, b.ready)
	return b, nil
}

// do runs f, as long as the backend is open.
func (b *Backend) do(ctx context.Context, f func() error) error {
	select {
	case <-b.closed:
		return result.ErrClosed
	default:
	}
	err := ctx.Err()
	if err == nil {
		err = f()
	}
	select {
	case <-b.closed:
		return result.ErrClosed
	default:
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Store implements result.Backend.
func (b *Backend) Store(ctx context.Context, r result.Record) error {
	doc, err := encode(r)
	if err == nil {
		err = b.do(ctx, func() error { return b.replace(ctx, r.TaskID, doc) })
	}
	if neverTaken(err) {
		err = fmt.Errorf("%w: %w", result.ErrRefused, err)
	}
	if err != nil {
		return fmt.Errorf("store result of task %s in mongodb: %w", r.TaskID, err)
	}
	b.news.Wake(r.TaskID)
	return nil
}

// neverTaken tells whether the server has said of a document itself that it cannot be: a server that stands in for
// MongoDB may have no lists in lists, and none takes one that is larger than it allows. The codes are those of MongoDB's
// error_codes.yml, BadValue and BSONObjectTooLarge.
func neverTaken(err error) bool {
	const badValue, tooLarge = 2, 10334
	var told driver.ServerError
	return errors.As(err, &told) && (told.HasErrorCode(badValue) || told.HasErrorCode(tooLarge))
}

// replace inserts, which is all there is to do for most tasks, and where there is a document already puts this one in
// its place, unless it is of a success. Between the two somebody may remove it, and then both do nothing.
func (b *Backend) replace(ctx context.Context, id string, doc bson.M) error {
	filter := bson.D{{Key: "_id", Value: id}, {Key: "status", Value: bson.D{{Key: "$ne", Value: string(result.Success)}}}}
	for {
		_, err := b.tasks.InsertOne(ctx, doc)
		if !driver.IsDuplicateKeyError(err) {
			return err
		}
		replaced, err := b.tasks.ReplaceOne(ctx, filter, doc)
		if err != nil || replaced.MatchedCount > 0 {
			return err
		}
		err = b.tasks.FindOne(ctx, bson.D{{Key: "_id", Value: id}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
		if !errors.Is(err, driver.ErrNoDocuments) {
			return err // nil: it is there, so it is of a success
		}
	}
}

// Get implements result.Backend.
func (b *Backend) Get(ctx context.Context, id string) (r result.Record, err error) {
	var doc bson.M
	err = b.do(ctx, func() error { return b.tasks.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&doc) })
	if errors.Is(err, driver.ErrNoDocuments) {
		return result.Record{TaskID: id, State: result.Pending}, nil
	}
	if err == nil {
		r, err = decode(id, doc)
	}
	if err != nil {
		return result.Record{}, fmt.Errorf("get result of task %s from mongodb: %w", id, err)
	}
	return r, nil
}

// Wait implements result.Backend.
func (b *Backend) Wait(ctx context.Context, id string) (result.Record, error) {
	news, leave := b.news.Join(id)
	defer leave()
	look := func(ctx context.Context) (result.Record, error) { return b.Get(ctx, id) }
	r, err := result.Await(ctx, look, news, b.closed)
	if err != nil {
		return result.Record{}, fmt.Errorf("wait for task %s: %w", id, err)
	}
	return r, nil
}

// ready finds which of the tasks are done.
func (b *Backend) ready(ctx context.Context, ids []string) (found []string, err error) {
	states := bson.A{string(result.Success), string(result.Failure), string(result.Revoked)}
	for len(ids) > 0 {
		n := min(together, len(ids))
		filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids[:n]}}}, {Key: "status", Value: bson.D{{Key: "$in", Value: states}}}}
		cursor, err := b.tasks.Find(ctx, filter, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			return found, err
		}
		var docs []struct {
			ID string `bson:"_id"`
		}
		if err := cursor.All(ctx, &docs); err != nil {
			return found, err
		}
		for _, d := range docs {
			found = append(found, d.ID)
		}
		ids = ids[n:]
	}
	return found, nil
}

// Forget implements result.Backend.
func (b *Backend) Forget(ctx context.Context, ids ...string) error {
	err := b.do(ctx, func() error {
		if len(ids) == 0 {
			return nil
		}
		_, err := b.tasks.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		return err
	})
	if err != nil {
		return fmt.Errorf("forget results in mongodb: %w", err)
	}
	return nil
}

// SaveGroup implements result.Groups. Celery's own documents hold the ids of the members alone, as a list.
func (b *Backend) SaveGroup(ctx context.Context, id string, tuple json.RawMessage) error {
	err := message.Valid(tuple)
	if err == nil {
		doc := bson.M{"_id": id, "result": string(tuple), "date_done": time.Now().UTC()}
		err = b.do(ctx, func() error {
			_, err := b.groups.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}}, doc, options.Replace().SetUpsert(true))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("save group %s in mongodb: %w", id, err)
	}
	return nil
}

// Group implements result.Groups. What Celery saved becomes a tuple too.
func (b *Backend) Group(ctx context.Context, id string) (json.RawMessage, error) {
	var doc struct {
		Result string `bson:"result"`
	}
	err := b.do(ctx, func() error { return b.groups.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&doc) })
	if errors.Is(err, driver.ErrNoDocuments) {
		err = result.ErrNoGroup
	}
	var tuple json.RawMessage
	if err == nil {
		tuple, err = groupTuple(id, []byte(doc.Result))
	}
	if err != nil {
		return nil, fmt.Errorf("get group %s from mongodb: %w", id, err)
	}
	return tuple, nil
}

// Cleanup implements result.Cleaner, for tasks, groups and claims that have lapsed. What has the date as text, from
// Celery 5.2, stays.
func (b *Backend) Cleanup(ctx context.Context) error {
	if err := b.do(ctx, func() error { return b.dropLapsed(ctx) }); err != nil {
		return fmt.Errorf("clean up claims in mongodb: %w", err)
	}
	if b.life == 0 {
		return nil
	}
	before := bson.D{{Key: "date_done", Value: bson.D{{Key: "$lt", Value: time.Now().UTC().Add(-b.life)}}}}
	for _, c := range []*driver.Collection{b.tasks, b.groups} {
		err := b.do(ctx, func() error {
			_, err := c.DeleteMany(ctx, before)
			return err
		})
		if err != nil {
			return fmt.Errorf("clean up results in mongodb: %w", err)
		}
	}
	return nil
}

// Close implements result.Backend. Whoever waits gets result.ErrClosed.
func (b *Backend) Close() (err error) {
	b.closing.Do(func() {
		close(b.closed)
		b.news.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err = b.client.Disconnect(ctx); err != nil {
			err = fmt.Errorf("close results in mongodb: %w", err)
		}
	})
	return err
}
