package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/systems"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
	"taskbench/worker/result/rpc"
	"taskbench/worker/result/sql"
)

// Replies is the queue to which results are sent where the broker keeps none: the harness takes them from there.
const Replies = "taskbench.replies"

// A place is a broker whose server has results as well.
type place struct {
	open func(ctx context.Context, o orders) (result.Backend, error)
	acts map[string]brokers.Act // what connections to it say besides
}

// places are by the names of brokers.
var places = map[string]place{
	"redis": {func(ctx context.Context, o orders) (result.Backend, error) {
		return orNone(redis.Open(ctx, o.Results, result.Options{}))
	}, redis.Acts()},
	"postgres": {func(ctx context.Context, o orders) (result.Backend, error) {
		return orNone(sql.Open(ctx, o.Results, result.Options{}))
	}, sql.PostgresActs()},
	"rabbitmq": {openSender, rpc.Acts(Replies)},
}

// orNone is no backend beside an error, and not one that is nil.
func orNone[B result.Backend](b B, err error) (result.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// A sender sends results over a connection of its own.
type sender struct {
	*rpc.Backend
	broker brokers.Broker
}

func (s sender) Close() error { return errors.Join(s.Backend.Close(), s.broker.Close()) }

func openSender(ctx context.Context, o orders) (result.Backend, error) {
	d, v, err := all.Find(o.Config.Broker + ":" + o.Config.Variant)
	if err != nil {
		return nil, err
	}
	b, err := d.Open(ctx, o.Results, v)
	if err != nil {
		return nil, err
	}
	r, err := rpc.OpenSender(result.Options{Broker: b})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return sender{r, b}, nil
}

// Keeps says why the broker's server cannot keep the results of tasks as well, or "".
func Keeps(d brokers.Driver) string {
	if _, can := places[d.Name]; !can {
		return fmt.Sprintf("results in the broker: they can be in %s, and the broker is %s", strings.Join(slices.Sorted(maps.Keys(places)), ", "), d.Name)
	}
	return ""
}

// ReplyTo is where the results of tasks are sent to, or "" where the broker's server keeps them.
func ReplyTo(d brokers.Driver) string {
	if d.Name == "rabbitmq" {
		return Replies
	}
	return ""
}

// Counts says why the broker's server cannot count the tasks of chords, or "".
func Counts(d brokers.Driver) string {
	if d.Name != "redis" {
		return fmt.Sprintf("chords: their tasks are counted in redis, and the broker is %s", d.Name)
	}
	return ""
}

// Acts is what the worker's connections to its broker say besides, when the results are there.
func Acts(d brokers.Driver) map[string]brokers.Act { return places[d.Name].acts }

// count is the workers' own place for results, where chords are counted.
func count(ctx context.Context, url string) (systems.Counter, error) {
	b, err := redis.Open(ctx, url, result.Options{})
	if err != nil { // no counter, and not one that is nil
		return nil, err
	}
	return b, nil
}

// openResults opens the backend that the orders name; nil is none.
func openResults(ctx context.Context, o orders) (result.Backend, error) {
	if o.Results == "" {
		return nil, nil
	}
	return places[o.Config.Broker].open(ctx, o)
}
