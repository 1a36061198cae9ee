package redis

import (
	"strings"
	"testing"
	"time"

	brokerredis "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/beat"
	"taskbench/worker/beat/beattest"
)

func open(t *testing.T, url, name string) *Lock {
	t.Helper()
	l, err := Open(url, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestLock(t *testing.T) {
	servertest.Needed(t)
	url := servertest.Launch(t, brokerredis.Driver).URL
	beattest.Lock(t, func(t *testing.T) beat.Lock { return open(t, url, "contract") })

	t.Run("names", func(t *testing.T) {
		a, b := open(t, url, "a"), open(t, url, "b")
		for _, l := range []*Lock{a, b} {
			if _, err := l.Acquire(t.Context(), time.Minute); err != nil {
				t.Errorf("locks of two names are one: %v", err)
			}
		}
	})
	t.Run("foreign mark", func(t *testing.T) {
		l := open(t, url, "foreign")
		if err := l.rdb.HSet(t.Context(), l.marks, "x", "no mark").Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Recall(t.Context()); err == nil || !strings.Contains(err.Error(), `"x"`) {
			t.Errorf("%v, want an error that names the field", err)
		}
	})
}

func TestBadURLsAreNotShown(t *testing.T) {
	for _, url := range []string{"redis://:hunter2@host:port/0", "redis://:hunter2%@host/0", "amqp://:hunter2@host/", "://hunter2"} {
		if _, err := Open(url, "x"); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
