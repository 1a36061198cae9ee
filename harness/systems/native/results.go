package native

import (
	"context"
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/systems"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// Keeps says why the broker's server cannot keep the results of tasks as well, or "".
func Keeps(d brokers.Driver) string {
	if d.Name != "redis" {
		return fmt.Sprintf("results in the broker: the worker keeps them in redis, and the broker is %s", d.Name)
	}
	return ""
}

// Acts is what the worker's connections to its broker say besides, when the results are there.
func Acts() map[string]brokers.Act { return redis.Acts() }

// count is the workers' own place for results.
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
	b, err := redis.Open(ctx, o.Results, result.Options{})
	if err != nil { // no backend, and not one that is nil
		return nil, err
	}
	return b, nil
}
