package link

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
)

// Limits are those that Redis can be told while it runs.
var Limits = []brokers.Limit{
	{Name: brokers.LimitMemory, Reach: reach(fullMemory), Policies: append([]string{"noeviction"}, volatile...)},
	{Name: brokers.LimitEviction, Reach: reach(evicting), Policies: append([]string{"allkeys-random", "allkeys-lru", "allkeys-lfu"}, volatile...)},
	{Name: brokers.LimitConnections, Reach: reach(fullHouse)},
}

// volatile are the policies that make room by forgetting keys that have an expiry, which those of queues have not, and that
// refuse what needs memory when there is none.
var volatile = []string{"volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"}

// reach changes settings by a client of its own, which stays, since nobody else may get in to change them back.
func reach(lower func(ctx context.Context, rdb *goredis.Client, policy string) (string, error)) func(context.Context, brokers.Console, string) (string, func(context.Context) error, error) {
	return func(ctx context.Context, c brokers.Console, policy string) (string, func(context.Context) error, error) {
		t, _, err := configure(c.URL, brokers.Variant{})
		if err != nil {
			return "", nil, err
		}
		t.PoolSize, t.ContextTimeoutEnabled = 1, true
		rdb := t.client()
		before := map[string]string{}
		for _, name := range []string{"maxmemory", "maxmemory-policy", "maxclients"} {
			values, err := rdb.ConfigGet(ctx, name).Result()
			if err != nil {
				return "", nil, errors.Join(fmt.Errorf("ask redis at %s for its %s: %w", t, name, err), rdb.Close())
			}
			before[name] = values[name]
		}
		restore := func(ctx context.Context) error {
			defer func() { _ = rdb.Close() }() // nothing depends on it any more
			var errs []error
			for name, value := range before { // each, whatever becomes of the others
				if err := rdb.ConfigSet(ctx, name, value).Err(); err != nil {
					errs = append(errs, fmt.Errorf("give redis at %s its %s of %s back: %w", t, name, value, err))
				}
			}
			return errors.Join(errs...)
		}
		said, err := lower(ctx, rdb, policy)
		if err != nil {
			return "", nil, errors.Join(fmt.Errorf("lower a limit of redis at %s: %w", t, err), restore(context.WithoutCancel(ctx)))
		}
		return said, restore, nil
	}
}

// fullMemory sets the limit to less than is in use; what needs memory is refused then.
func fullMemory(ctx context.Context, rdb *goredis.Client, policy string) (string, error) {
	used, err := number(ctx, rdb, "memory", "used_memory")
	if err != nil {
		return "", err
	}
	if err := rdb.ConfigSet(ctx, "maxmemory-policy", policy).Err(); err != nil {
		return "", err
	}
	limit := used / 2
	return fmt.Sprintf("maxmemory %d with %d bytes in use, %s", limit, used, policy), rdb.ConfigSet(ctx, "maxmemory", strconv.FormatInt(limit, 10)).Err()
}

// evicting sets the limit a little below what is in use, again and again while nothing had to go.
func evicting(ctx context.Context, rdb *goredis.Client, policy string) (string, error) {
	before, err := number(ctx, rdb, "stats", "evicted_keys")
	if err != nil {
		return "", err
	}
	if err := rdb.ConfigSet(ctx, "maxmemory-policy", policy).Err(); err != nil {
		return "", err
	}
	const less, patience = 4 << 10, 2 * time.Second
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		used, err := number(ctx, rdb, "memory", "used_memory")
		if err != nil {
			return "", err
		}
		if err := rdb.ConfigSet(ctx, "maxmemory", strconv.FormatInt(used-less, 10)).Err(); err != nil {
			return "", err
		}
		now, err := number(ctx, rdb, "stats", "evicted_keys")
		switch {
		case err != nil:
			return "", err
		case now > before:
			return fmt.Sprintf("maxmemory %d, %s: %d keys evicted so far", used-less, policy, now-before), nil
		case time.Now().After(end):
			return "", fmt.Errorf("it evicted nothing in %v: there was nothing to evict", patience)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// fullHouse sets the limit of clients to those that are connected, once for a moment none of them has left: the server counts
// those, too, that are on their way out.
func fullHouse(ctx context.Context, rdb *goredis.Client, _ string) (string, error) {
	const moment, patience = 20 * time.Millisecond, time.Second
	tick := time.NewTicker(moment)
	defer tick.Stop()
	before := int64(-1)
	for end := time.Now().Add(patience); ; {
		n, err := number(ctx, rdb, "clients", "connected_clients")
		if err == nil && n != before {
			err = rdb.ConfigSet(ctx, "maxclients", strconv.FormatInt(n, 10)).Err()
		}
		if err != nil {
			return "", err
		}
		if n == before || time.Now().After(end) {
			return fmt.Sprintf("maxclients %d, which are connected", n), nil
		}
		before = n
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// number is one of those that INFO tells.
func number(ctx context.Context, rdb *goredis.Client, section, name string) (int64, error) {
	info, err := rdb.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return strconv.ParseInt(text, 10, 64)
		}
	}
	return 0, fmt.Errorf("it tells no %s", name)
}
