// Package all opens any result backend by its URL.
package all

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"taskbench/worker/result"
	"taskbench/worker/result/memory"
	"taskbench/worker/result/mongo"
	"taskbench/worker/result/redis"
	"taskbench/worker/result/rpc"
	"taskbench/worker/result/sql"
)

// ErrDisabled is returned by those methods of the backend disabled:// that would have to know a result.
var ErrDisabled = errors.New("results are disabled")

// Open opens the backend of a URL as Celery's setting result_backend has them: redis://, rediss:// and redis+socket://,
// mongodb:// and mongodb+srv://, db+sqlite:///, db+postgresql:// and db+mysql:// (also without "db+"), rpc:// over
// o.Broker, and disabled://, which is also what an empty URL means; and memory:// for this process alone. Errors quote
// no password.
func Open(ctx context.Context, url string, o result.Options) (result.Backend, error) {
	scheme, _, _ := strings.Cut(url, "://")
	kind, driver, _ := strings.Cut(scheme, "+")
	if kind == "db" {
		kind, _, _ = strings.Cut(driver, "+")
	}
	switch kind {
	case "", "disabled":
		return disabled{}, nil
	case "redis", "rediss":
		return opened(redis.Open(ctx, url, o))
	case "mongodb":
		return opened(mongo.Open(ctx, url, o))
	case "sqlite", "postgresql", "postgres", "mysql", "mariadb":
		return opened(sql.Open(ctx, url, o))
	case "rpc":
		return opened(rpc.Open(ctx, o))
	case "memory":
		return opened(memory.Open(ctx, url, o))
	}
	if !strings.Contains(url, "://") { // it may be anything, a password too
		return nil, errors.New("open results: this is no URL; want redis://, mongodb://, db+sqlite:///, db+postgresql://, db+mysql://, rpc://, memory:// or disabled://")
	}
	return nil, fmt.Errorf("open results: no backend is called %q; want redis, mongodb, db+sqlite, db+postgresql, db+mysql, rpc, memory or disabled", kind)
}

// opened keeps a nil pointer from becoming a backend.
func opened[B result.Backend](b B, err error) (result.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// disabled keeps nothing.
type disabled struct{}

func (disabled) Store(ctx context.Context, _ result.Record) error { return ctx.Err() }

func (disabled) Get(ctx context.Context, id string) (result.Record, error) {
	return result.Record{TaskID: id, State: result.Pending}, ctx.Err()
}

func (disabled) Wait(context.Context, string) (result.Record, error) {
	return result.Record{}, ErrDisabled
}

func (disabled) Forget(ctx context.Context, _ ...string) error { return ctx.Err() }

func (disabled) Close() error { return nil }
