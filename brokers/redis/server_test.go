package redis_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
)

// launch starts a server, a broker of ours on it, and a client that looks behind its back.
func launch(t *testing.T) (brokers.Broker, *goredis.Client) {
	t.Helper()
	s := servertest.Launch(t, redis.Driver)
	b, err := redis.Driver.Open(t.Context(), s.URL, redis.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	o, err := goredis.ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := goredis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return b, rdb
}

func next(t *testing.T, c brokers.Consumer, within time.Duration) brokers.Message {
	t.Helper()
	d := servertest.Next(t, c, within)
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d.Message()
}

// commands are those that the server has carried out, inside scripts too.
func commands(t *testing.T, rdb *goredis.Client) (n int) {
	t.Helper()
	text, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		name, stats, _ := strings.Cut(line, ":calls=")
		calls, _, _ := strings.Cut(stats, ",")
		if one, err := strconv.Atoi(calls); err == nil && name != "cmdstat_info" {
			n += one
		}
	}
	return n
}

// A fleet of idle workers is what most servers have to bear most of the time.
func TestIdleConsumerCostsLittle(t *testing.T) {
	servertest.Needed(t)
	b, rdb := launch(t)
	if _, err := b.Consume(t.Context(), []string{"q", "r"}, 4); err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Second) // until it counts as idle
	const length = 4 * time.Second
	before := commands(t, rdb)
	<-time.After(length)
	if n := commands(t, rdb) - before; n >= 10*int(length.Seconds()) || n == 0 {
		t.Errorf("%d commands in %v of idleness, want fewer than ten a second", n, length)
	}
}

// Who publishes as kombu does wakes nobody: the consumer has to see what comes by itself, whatever its priority.
func TestIdleConsumerSeesWhatOthersPublish(t *testing.T) {
	servertest.Needed(t)
	b, rdb := launch(t)
	c, err := b.Consume(t.Context(), []string{"q"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Second) // until it counts as idle
	for _, step := range []string{"", "\x06\x163", "\x06\x166", "\x06\x169"} {
		if err := rdb.LPush(t.Context(), "q"+step, "text"+step).Err(); err != nil {
			t.Fatal(err)
		}
		if m := next(t, c, time.Second); string(m.Body) != "text"+step {
			t.Errorf("got %q", m.Body)
		}
		<-time.After(3 * time.Second)
	}
}

// A message whose list cannot be is not in the way of those that are due after it.
func TestDelayPassesWhatCannotBeMoved(t *testing.T) {
	servertest.Needed(t)
	b, rdb := launch(t)
	if err := rdb.HSet(t.Context(), "bad", "is", "a hash").Err(); err != nil {
		t.Fatal(err)
	}
	c, err := b.Consume(t.Context(), []string{"q"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	d := b.(brokers.Delayer)
	for queue, after := range map[string]time.Duration{"bad": 500 * time.Millisecond, "q": time.Second} {
		if err := d.Delay(t.Context(), brokers.Message{Queue: queue, CorrelationID: queue}, time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if m := next(t, c, 5*time.Second); m.CorrelationID != "q" {
		t.Errorf("got %+v", m)
	}
	if n, err := rdb.HLen(t.Context(), "taskbench:delayed:messages").Result(); n != 1 || err != nil {
		t.Errorf("%d messages wait, %v: want the one that cannot be moved", n, err)
	}
}

// Two messages that differ in nothing but their correlation ids are two.
func TestDelayKeepsMessagesApart(t *testing.T) {
	servertest.Needed(t)
	b, _ := launch(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := b.Consume(ctx, []string{"q"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Second)
	for _, id := range []string{"1", "2"} {
		if err := b.(brokers.Delayer).Delay(ctx, brokers.Message{Queue: "q", CorrelationID: id, Body: []byte("x")}, until); err != nil {
			t.Fatal(err)
		}
	}
	first, second := next(t, c, 5*time.Second), next(t, c, 5*time.Second)
	if first.CorrelationID == second.CorrelationID {
		t.Errorf("got %s twice", first.CorrelationID)
	}
}

// Claims go along with acknowledgements; what one brings while the consumer ends goes back at once, like all that
// nobody has seen, and not only when a lease ends.
func TestConsumerThatEndsInFullFlightKeepsNothing(t *testing.T) {
	servertest.Needed(t)
	b, rdb := launch(t)
	for round := range 40 {
		const tasks = 120
		q := "q" + strconv.Itoa(round)
		for i := range tasks {
			if err := b.Publish(t.Context(), brokers.Message{Queue: q, CorrelationID: strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, end := context.WithCancel(t.Context())
		c, err := b.Consume(ctx, []string{q}, 8)
		if err != nil {
			t.Fatal(err)
		}
		var acked atomic.Int64
		var hands sync.WaitGroup
		for range 8 {
			hands.Go(func() {
				for d := range c.Deliveries() {
					if d.Ack(t.Context()) == nil && acked.Add(1) == 30 {
						time.AfterFunc(time.Duration(round)*10*time.Microsecond, end) // at any moment of an exchange
					}
				}
			})
		}
		hands.Wait()
		end()
		held, ready := int64(1), int64(0)
		for deadline := time.Now().Add(2 * time.Second); held > 0 && time.Now().Before(deadline); <-time.After(time.Millisecond) {
			held, ready = rdb.HLen(t.Context(), "unacked").Val(), rdb.LLen(t.Context(), q).Val()
		}
		if held > 0 || ready+acked.Load() != tasks {
			t.Fatalf("round %d: %d acknowledged, %d ready and %d held, want %d in all and none held", round, acked.Load(), ready, held, tasks)
		}
	}
}

// What messages and their holders need is gone once they are, so that the keys are as many as the queues have bindings; what
// expires does not count.
func TestKeysDoNotGrow(t *testing.T) {
	servertest.Needed(t)
	t.Parallel()
	b, rdb := launch(t)
	keys := func() int {
		t.Helper()
		n, err := b.(brokers.Keeper).Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	c, err := b.Consume(t.Context(), []string{"q"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	work := func(n int) {
		t.Helper()
		for range n {
			if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil {
				t.Fatal(err)
			}
			next(t, c, 5*time.Second)
		}
	}
	work(5)
	before := keys()
	work(100)
	if err := rdb.Set(t.Context(), "a result", "x", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if after := keys(); after != before || before == 0 {
		t.Errorf("%d keys after five messages, %d after a hundred more", before, after)
	}
	if err := rdb.Set(t.Context(), "left behind", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := keys(); n != before+1 {
		t.Errorf("%d keys with one more than %d", n, before)
	}
}
