package redis

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	brokerredis "taskbench/brokers/redis"
	"taskbench/worker/beat"
	"taskbench/worker/beat/beattest"
)

// serve starts a Redis server of the test's own. On a machine that has none, and in the embedded lab, the test is
// skipped, which CI counts.
func serve(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if lab := os.Getenv("BENCH_LAB"); lab == "embedded" || err != nil && (lab == "" || lab == "auto") {
		t.Skipf("no redis-server for the lab %q: %v", lab, err)
	} else if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	launch := brokers.Launch{Host: "127.0.0.1", Port: addr.Port, Dir: t.TempDir(), Variant: brokerredis.Driver.Variants[2]}
	cmd := exec.Command(path, brokerredis.Driver.Server.Command(launch).Args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url := brokerredis.Driver.Server.URL(addr.String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := brokerredis.Driver.Server.Ready(ctx, url); err == nil {
			return url
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	return ""
}

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
	url := serve(t)
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
