package redis

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
)

const (
	restoreAtOnce = 1000 // bookings looked at in one round
	sweepEvery    = 10 * time.Second
)

// Restore implements lease.Layout. Old is what is older than the visibility timeout. Failures are left to the next round,
// or to another consumer: every step is atomic and looks again at its reason.
func (s *subscription) Restore(dead []string, old bool) {
	b := s.b
	ctx := context.Background()
	for _, id := range dead {
		tags, err := b.link.Client.SMembers(ctx, heldBy(id)).Result()
		if err != nil {
			return
		}
		for _, tag := range tags {
			b.restoreOne(ctx, tag, id)
		}
		b.link.Exec(ctx, retirement(id))
	}
	if old {
		b.restoreOld(ctx)
	}
}

// restoreOld does what kombu does at its visibility timeout, under kombu's lock: bookings of Celery's workers have
// no lease and nobody renews them. Ours never grow that old while their consumer lives.
func (b *broker) restoreOld(ctx context.Context) {
	token := kombu.Identity()
	locked, err := b.link.Client.SetNX(ctx, mutexKey, token, time.Minute).Result()
	if err != nil || !locked {
		return
	}
	defer func() {
		if held, err := b.link.Client.Get(ctx, mutexKey).Result(); err == nil && held == token {
			_ = b.link.Client.Del(ctx, mutexKey).Err() // it ends by itself
		}
	}()
	now, err := b.link.Client.Time(ctx).Result()
	if err != nil {
		return
	}
	limit := float64(now.Add(-b.link.Visibility).UnixMicro()) / 1e6
	tags, err := b.link.Client.ZRangeArgs(ctx, goredis.ZRangeArgs{
		Key: indexKey, ByScore: true, Start: "0", Stop: limit, Count: restoreAtOnce,
	}).Result()
	if err != nil {
		return
	}
	for _, tag := range tags {
		b.restoreOne(ctx, tag, "")
	}
}

// restoreOne gives back one booking: that of a dead consumer of ours, or an old one where consumer is "".
func (b *broker) restoreOne(ctx context.Context, tag, consumer string) {
	held := heldBy(consumer)
	value, err := b.link.Client.HGet(ctx, unackedKey, tag).Result()
	if errors.Is(err, goredis.Nil) {
		b.link.Exec(ctx, goredis.NewIntCmd(ctx, "zrem", indexKey, tag), goredis.NewIntCmd(ctx, "srem", held, tag))
		return
	}
	if err != nil {
		return
	}
	k, err := parseBooking(value)
	if err != nil {
		return // not kombu's and not ours: whoever wrote it may know what it is
	}
	queue := k.routingKey
	if k.exchange != "" {
		if queue = b.route(ctx, k.exchange, k.routingKey); queue == "" {
			return
		}
	}
	m, _ := kombu.Decode(queue, k.envelope)
	places := []string{unackedKey, indexKey, held, keys.ListOf(queue, m.Priority), consumersKey}
	b.link.Exec(ctx, restoreScript.Call(ctx, places, tag, consumer, marked(k.envelope), b.link.Visibility.Seconds()))
	b.wake(ctx, queue)
}

func (b *broker) wake(ctx context.Context, queue string) {
	b.link.Exec(ctx, goredis.NewIntCmd(ctx, "publish", keys.WakeChannel(b.link.DB, queue), ""))
}

// route finds the queue that kombu's bindings give to a routing key: the equal key, or the first pattern (a Python
// regular expression that RE2 reads) that matches.
func (b *broker) route(ctx context.Context, exchange, key string) string {
	members, err := b.link.Client.SMembers(ctx, keys.Bindings(exchange)).Result()
	if err != nil {
		return ""
	}
	matched := ""
	for _, m := range members {
		parts := strings.Split(m, keys.Separator)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == key {
			return parts[2]
		}
		if re, err := regexp.Compile(parts[1]); err == nil && parts[1] != "" && re.MatchString(key) {
			matched = parts[2]
		}
	}
	return matched
}
