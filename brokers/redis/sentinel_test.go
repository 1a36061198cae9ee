package redis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
)

// A watched is a master with a replica, and the sentinels that make the one take the place of the other.
type watched struct {
	master *servertest.Server
	copy   *servertest.Server
	url    string // by way of the sentinels
	rdb    *goredis.Client
}

// bringUp starts a server, or a sentinel.
func bringUp(t *testing.T, port int, args ...string) *servertest.Server {
	t.Helper()
	binary := servertest.Find(t, "redis-server")
	url := fmt.Sprintf("redis://127.0.0.1:%d/0", port)
	return servertest.Start(t, url, func() *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.Dir = t.TempDir()
		return cmd
	}, func(ctx context.Context) error { return ask(ctx, url, "ping", "PONG") })
}

// pair starts a master, whose port it returns, and a replica.
func pair(t *testing.T) (w watched, first int) {
	t.Helper()
	servertest.Needed(t)
	first = servertest.FreePort(t)
	plain := func(port int, more ...string) *servertest.Server {
		return bringUp(t, port, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--repl-diskless-sync-delay", "0"}, more...)...)
	}
	w.master = plain(first)
	w.copy = plain(servertest.FreePort(t), "--replicaof", fmt.Sprintf("127.0.0.1 %d", first))
	return w, first
}

// list is the URL of both.
func (w watched) list() string {
	return brokers.JoinURLs([]string{w.copy.URL + "?lease=1s", w.master.URL + "?lease=1s"})
}

// watch starts them all. The sentinels know each other, and the replica has what the master has.
func watch(t *testing.T) watched {
	t.Helper()
	w, first := pair(t)
	var urls, sentinels []string
	for range 3 {
		port := servertest.FreePort(t)
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nport %d\nsentinel monitor m 127.0.0.1 %d 2\nsentinel down-after-milliseconds m 500\nsentinel failover-timeout m 5000\n", port, first)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinels = append(sentinels, bringUp(t, port, file, "--sentinel").URL)
		urls = append(urls, fmt.Sprintf("sentinel://127.0.0.1:%d", port))
	}
	w.url = strings.Join(urls, ";") + "/0?master_name=m&lease=1s"
	for _, url := range sentinels {
		// Enough of them to agree, and a replica to agree on.
		err := servertest.Until(t.Context(), 20*time.Second, func() error {
			return errors.Join(ask(t.Context(), url, "sentinel ckquorum m", "OK 3 usable"), ask(t.Context(), url, "sentinel replicas m", "master-link-status:ok"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	o, err := goredis.ParseURL(w.master.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.rdb = goredis.NewClient(o)
	t.Cleanup(func() { _ = w.rdb.Close() })
	return w
}

// ask sends a command, and demands words of the answer.
func ask(ctx context.Context, url, command, want string) error {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return err
	}
	rdb := goredis.NewClient(o)
	defer func() { _ = rdb.Close() }() // it was asked
	var args []any
	for word := range strings.FieldsSeq(command) {
		args = append(args, word)
	}
	answer, err := rdb.Do(ctx, args...).Result()
	if text := strings.Trim(fmt.Sprint(answer), "[]"); err == nil && !strings.Contains(text, want) {
		err = fmt.Errorf("%s says %s, want %s", command, text, want)
	}
	return err
}

// When the master dies, its replica takes over: what it had got is still there, whoever consumed has to do so again, and publishes go on.
func TestSentinelsFailOver(t *testing.T) {
	for _, name := range []string{"aof-always", "stream"} {
		t.Run(name, func(t *testing.T) {
			w := watch(t)
			failOver(t, w, name, w.url)
		})
	}
	t.Run("without asking sentinels", func(t *testing.T) {
		w := watch(t)
		failOver(t, w, "aof-always", w.list())
	})
}

// A publish is confirmed once a replica has it, and in doubt where none says so.
func TestConfirmedIsReplicated(t *testing.T) {
	w, _ := pair(t)
	if err := servertest.Until(t.Context(), 10*time.Second, func() error { return ask(t.Context(), w.copy.URL, "info replication", "master_link_status:up") }); err != nil {
		t.Fatal(err)
	}
	v, err := redis.Driver.Variant("sentinel")
	if err != nil {
		t.Fatal(err)
	}
	b, err := redis.Driver.Open(t.Context(), w.list(), v)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }() // the test is over
	exchange := brokers.Exchange{Name: "e", Kind: brokers.Direct}
	x := b.(brokers.Exchanger)
	if err := x.Bind(t.Context(), brokers.Binding{Exchange: exchange, Key: "k", Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	send := map[string]func() error{
		"publish": func() error { return b.Publish(t.Context(), brokers.Message{Queue: "q"}) },
		"route":   func() error { return x.Route(t.Context(), exchange, "k", brokers.Message{}) },
		"delay": func() error {
			return b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "later"}, time.Now().Add(time.Hour))
		},
	}
	for how, do := range send {
		if err := do(); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
	}
	kept := func(url string, queued, delayed string) {
		t.Helper()
		if err := errors.Join(ask(t.Context(), url, "llen q", queued), ask(t.Context(), url, "zcard taskbench:delayed", delayed)); err != nil {
			t.Error(err)
		}
	}
	kept(w.copy.URL, "2", "1")
	w.copy.Kill()
	for how, do := range send {
		if err := do(); err == nil || brokers.Definite(err) || !strings.Contains(err.Error(), "0 of 1 replicas") {
			t.Errorf("%s without a replica: %v", how, err)
		}
	}
	kept(w.master.URL, "4", "2")
}

func failOver(t *testing.T, w watched, variant, url string) {
	v, err := redis.Driver.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	b, err := redis.Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }() // the test is over
	const before, after = 20, 10
	publish := func(n int) error {
		return b.Publish(t.Context(), brokers.Message{Queue: "q", CorrelationID: strconv.Itoa(n)})
	}
	for i := range before {
		if err := publish(i); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Consume(t.Context(), []string{"q"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	next(t, c, 5*time.Second)
	// Replication is not waited for by a confirm: what is not yet there when the master dies is gone.
	if n, err := w.rdb.Wait(t.Context(), 1, 5*time.Second).Result(); n != 1 || err != nil {
		t.Fatalf("%d replicas have it all, %v", n, err)
	}
	w.master.Kill()
	killed := time.Now()
	for range c.Deliveries() { // what is on its way, and then the end
	}
	if c.Err() == nil {
		t.Fatal("the consumer's end has no reason")
	}
	for i := before; i < before+after; i++ {
		if err := servertest.Until(t.Context(), 30*time.Second, func() error { return publish(i) }); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("publishes go on %v after the master's death", time.Since(killed).Round(time.Millisecond))
	seen := map[string]bool{}
	// As a worker does: it consumes again as often as it must, since sentinels agree on a master by and by.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for len(seen) < before+after-1 {
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d messages came: %v", len(seen), before+after-1, err)
		}
		if c, err = b.Consume(ctx, []string{"q"}, 4); err == nil {
			settle(ctx, c, seen, before+after-1)
		}
	}
	if seen["0"] {
		t.Error("what was acknowledged and replicated came again")
	}
}

// settle acknowledges what comes until the consumer ends or all has been seen.
func settle(ctx context.Context, c brokers.Consumer, seen map[string]bool, all int) {
	for len(seen) < all {
		d, open := <-c.Deliveries()
		if !open {
			return
		}
		if d.Ack(ctx) == nil {
			seen[d.Message().CorrelationID] = true
		}
	}
}
