package native

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/harness/systems"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
	"taskbench/worker/result/sql"
)

// A place is a kind of server that keeps results, and is a broker's too.
type place struct {
	open func(ctx context.Context, url string, o result.Options) (result.Backend, error)
	acts func() map[string]brokers.Act // what connections to it say besides
}

// places are by the names of brokers.
var places = map[string]place{
	"redis":    {opener(redis.Open), redis.Acts},
	"postgres": {opener(sql.Open), sql.PostgresActs},
}

func opener[B result.Backend](open func(context.Context, string, result.Options) (B, error)) func(context.Context, string, result.Options) (result.Backend, error) {
	return func(ctx context.Context, url string, o result.Options) (result.Backend, error) {
		b, err := open(ctx, url, o)
		if err != nil { // no backend, and not one that is nil
			return nil, err
		}
		return b, nil
	}
}

// Keeps says why the broker's server cannot keep the results of tasks as well, or "".
func Keeps(d brokers.Driver) string {
	if _, can := places[d.Name]; !can {
		return fmt.Sprintf("results in the broker: the worker keeps them in %s, and the broker is %s", strings.Join(slices.Sorted(maps.Keys(places)), " and "), d.Name)
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
func Acts(d brokers.Driver) map[string]brokers.Act { return places[d.Name].acts() }

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
	return places[o.Config.Broker].open(ctx, o.Results, result.Options{})
}
