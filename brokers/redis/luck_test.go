package redis_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
)

func TestLuck(t *testing.T) {
	lucktest.Run(t, subject(t, "aof-everysec"))
}

// The variant stream has keys, scripts and leases of its own.
func TestLuckOfStreams(t *testing.T) {
	lucktest.Run(t, subject(t, "stream"))
}

func subject(t *testing.T, variant string) lucktest.Subject {
	t.Helper()
	v, err := redis.Driver.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	return lucktest.Subject{
		Driver: redis.Driver, Variant: v,
		URL:        lucktest.URL("redis", "/0", ""),
		Foreign:    "is it a Redis server",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("rediss", "/0", ""), Advice: "trust who signed"},
		Start:      start,
	}
}

// start starts one server for all, whose settings each refusal changes and restores.
func start(t *testing.T, s *lucktest.Subject) {
	server := servertest.LaunchAs(t, redis.Driver, s.Variant, func(c *brokers.Command, _ string) {
		c.Args = append(c.Args, "--save", "3600 1", "--enable-protected-configs", "yes")
	})
	o, err := goredis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := goredis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	do := func(ctx context.Context, args ...any) {
		t.Helper()
		if err := rdb.Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	opening := func(ctx context.Context, url string) error {
		b, err := redis.Driver.Open(ctx, url, s.Variant)
		if err == nil {
			_ = b.Close()
		}
		return err
	}
	as := func(user string) string { return strings.Replace(server.URL, "redis://", "redis://"+user+"@", 1) }
	publishing := func(ctx context.Context, url string) error {
		b, err := redis.Driver.Open(ctx, url, s.Variant)
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }()
		return b.Publish(ctx, brokers.Message{Queue: "q"})
	}
	s.Server = server.URL
	s.Apart = func(ahead time.Duration) string {
		return servertest.LaunchAs(t, redis.Driver, s.Variant, func(c *brokers.Command, _ string) {
			c.Env = append(c.Env, servertest.Apart(t, ahead)...)
		}).URL
	}
	s.Refusals = map[string]lucktest.Refusal{
		"password": {Advice: "check user and password", Meet: func(ctx context.Context) error {
			do(ctx, "acl", "setuser", "me", "on", ">another", "~*", "&*", "+@all")
			return opening(ctx, as("me:s3cr%25t"))
		}},
		"rights": {Advice: "ACL SETUSER", Meet: func(ctx context.Context) error {
			do(ctx, "acl", "setuser", "reader", "on", ">s3cr%t", "~*", "&*", "+@all", "-lpush", "-xadd")
			return publishing(ctx, as("reader:s3cr%25t"))
		}},
		"replica": {Advice: "connect to the master", Meet: func(ctx context.Context) error {
			do(ctx, "replicaof", "127.0.0.1", servertest.FreePort(t))
			defer do(ctx, "replicaof", "no", "one")
			return publishing(ctx, server.URL)
		}},
		"disk": {Advice: "free space", Meet: func(ctx context.Context) error {
			// What cannot be written to its place cannot be for want of space either.
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "dump.rdb", "in the way"), 0o700); err != nil {
				t.Fatal(err)
			}
			do(ctx, "config", "set", "dir", dir)
			do(ctx, "bgsave")
			if err := servertest.Until(ctx, 20*time.Second, func() error {
				if info := rdb.Info(ctx, "persistence").Val(); !strings.Contains(info, "rdb_last_bgsave_status:err") {
					return os.ErrNotExist
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			defer do(ctx, "config", "set", "stop-writes-on-bgsave-error", "no")
			return publishing(ctx, server.URL)
		}},
		"connections": {Advice: "maxclients", Meet: func(ctx context.Context) error {
			do(ctx, "config", "set", "maxclients", 1)
			defer do(ctx, "config", "set", "maxclients", 1000)
			return opening(ctx, server.URL)
		}},
		"shape": {Advice: "used for something else", Meet: func(ctx context.Context) error {
			keys := []any{"q", "taskbench:stream:q:0"}
			for _, key := range keys {
				do(ctx, "hset", key, "a", "hash")
			}
			defer do(ctx, append([]any{"del"}, keys...)...)
			return publishing(ctx, server.URL)
		}},
	}
}
