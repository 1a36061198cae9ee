package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// Backend implements result.Backend, Groups, Counter and Claimer.
type Backend struct {
	rdb    *goredis.Client
	keys   result.Keys
	life   time.Duration // 0: for ever
	stores *batcher
	hub    *hub

	closing sync.Once
	closed  chan struct{}
}

// Open returns once the server has answered, or with the reason why it did not.
func Open(ctx context.Context, url string, o result.Options) (*Backend, error) {
	settings, err := configure(url)
	if err != nil {
		return nil, err
	}
	b := &Backend{rdb: goredis.NewClient(settings), keys: result.NewKeys(o.Prefix), life: o.Lifetime(), closed: make(chan struct{})}
	if err := brokers.Within(ctx, func() error { return b.rdb.Ping(ctx).Err() }); err != nil {
		_ = b.rdb.Close() // it was never used
		return nil, fmt.Errorf("open results in redis at %s: %w", settings.Addr, err)
	}
	b.stores = newBatcher(b.rdb)
	b.hub = newHub(b.rdb)
	return b, nil
}

// do is brokers.Within, for an open backend.
func (b *Backend) do(ctx context.Context, f func() error) error {
	select {
	case <-b.closed:
		return result.ErrClosed
	default:
	}
	err := brokers.Within(ctx, f)
	if errors.Is(err, goredis.ErrClosed) {
		return result.ErrClosed
	}
	return err
}

// largest is the size of a record in bytes that a server takes by its own settings: its proto-max-bulk-len. It cuts the
// connection of who sends more.
const largest = 512 << 20

// Store implements result.Backend.
func (b *Backend) Store(ctx context.Context, r result.Record) error {
	if r.State.Ready() && r.Done.IsZero() {
		r.Done = time.Now()
	}
	doc, err := result.EncodeWithin(r, largest)
	select {
	case <-b.closed:
		err = result.ErrClosed
	default:
		if err == nil {
			err = b.stores.do(ctx, write{b.keys.Task(r.TaskID), doc, b.life.Milliseconds()})
		}
	}
	if err != nil {
		return fmt.Errorf("store result of task %s in redis: %w", r.TaskID, err)
	}
	return nil
}

// Get implements result.Backend.
func (b *Backend) Get(ctx context.Context, id string) (result.Record, error) {
	var doc []byte
	err := b.do(ctx, func() (err error) {
		got, err := b.rdb.Get(ctx, b.keys.Task(id)).Bytes()
		if err == nil {
			doc = got
		}
		return err
	})
	if errors.Is(err, goredis.Nil) {
		return result.Record{TaskID: id, State: result.Pending}, nil
	}
	if err != nil {
		return result.Record{}, fmt.Errorf("get result of task %s from redis: %w", id, err)
	}
	return decode(id, doc)
}

func decode(id string, doc []byte) (result.Record, error) {
	r, err := result.Decode(doc)
	if err != nil {
		return result.Record{}, fmt.Errorf("result of task %s: %w: %w", id, result.ErrBroken, err)
	}
	return r, nil
}

// Forget implements result.Backend.
func (b *Backend) Forget(ctx context.Context, ids ...string) error {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = b.keys.Task(id)
	}
	return b.remove(ctx, fmt.Sprintf("results of %d tasks", len(ids)), keys)
}

func (b *Backend) remove(ctx context.Context, what string, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := b.do(ctx, func() error { return b.rdb.Del(ctx, keys...).Err() }); err != nil {
		return fmt.Errorf("forget %s in redis: %w", what, err)
	}
	return nil
}

// publish stores a value and tells of it, as Celery does with all that it stores.
func (b *Backend) publish(ctx context.Context, key string, value []byte) error {
	return b.do(ctx, func() error {
		_, err := b.rdb.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			p.Set(ctx, key, value, b.life)
			p.Publish(ctx, key, value)
			return nil
		})
		return err
	})
}

// SaveGroup implements result.Groups.
func (b *Backend) SaveGroup(ctx context.Context, id string, tuple json.RawMessage) error {
	err := message.Valid(tuple)
	if err == nil {
		err = b.publish(ctx, b.keys.Group(id), result.EncodeGroup(tuple))
	}
	if err != nil {
		return fmt.Errorf("save group %s in redis: %w", id, err)
	}
	return nil
}

// Group implements result.Groups.
func (b *Backend) Group(ctx context.Context, id string) (json.RawMessage, error) {
	var doc []byte
	err := b.do(ctx, func() error {
		got, err := b.rdb.Get(ctx, b.keys.Group(id)).Bytes()
		if err == nil {
			doc = got
		}
		return err
	})
	if errors.Is(err, goredis.Nil) {
		err = result.ErrNoGroup
	}
	var fields map[string]json.RawMessage
	if err == nil {
		fields, err = message.Members(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("get group %s from redis: %w", id, err)
	}
	return fields["result"], nil
}

// Close implements result.Backend. Whoever waits gets result.ErrClosed; what is being stored is still stored.
func (b *Backend) Close() error {
	b.closing.Do(func() {
		close(b.closed)
		b.stores.close()
		b.hub.close()
		_ = b.rdb.Close() // its only error is to be closed already
	})
	return nil
}
