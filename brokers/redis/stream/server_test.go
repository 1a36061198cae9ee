package stream_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis"
	"taskbench/brokers/redis/stream"
	"taskbench/brokers/servertest"
)

// A rig is a server, a broker of ours on it, and a client that looks behind its back.
type rig struct {
	*testing.T
	server *servertest.Server
	url    string // of the broker
	broker brokers.Broker
	rdb    *goredis.Client
}

// launch starts a server whose consumers have leases of 1.5 s, in the tests that need one.
func launch(t *testing.T, settings ...string) *rig {
	t.Helper()
	servertest.Needed(t)
	s := servertest.Launch(t, redis.Driver, settings...)
	o, err := goredis.ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, server: s, url: s.URL + "?lease=" + lease.String(), rdb: goredis.NewClient(o)}
	t.Cleanup(func() { _ = r.rdb.Close() })
	r.broker = r.open(r.url)
	return r
}

const lease = 1500 * time.Millisecond

func (r *rig) open(url string) brokers.Broker {
	r.Helper()
	b, err := stream.Open(r.Context(), url, brokers.Variant{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = b.Close() })
	return b
}

// publish puts messages with the ids 0, 1, ... into the queue.
func (r *rig) publish(queue string, n int) {
	r.Helper()
	for i := range n {
		if err := r.broker.Publish(r.Context(), letter(queue, i)); err != nil {
			r.Fatal(err)
		}
	}
}

func letter(queue string, n int) brokers.Message {
	return brokers.Message{Queue: queue, CorrelationID: strconv.Itoa(n), Headers: map[string]any{"id": strconv.Itoa(n)}, Body: []byte("body")}
}

func (r *rig) consume(b brokers.Broker, prefetch int, queues ...string) brokers.Consumer {
	r.Helper()
	c, err := b.Consume(r.Context(), queues, prefetch)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) next(c brokers.Consumer, within time.Duration) brokers.Delivery {
	r.Helper()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			r.Fatalf("the consumer has ended: %v", c.Err())
		}
		return d
	case <-time.After(within):
		r.Fatalf("nothing came within %v", within)
	}
	return nil
}

func (r *rig) ack(ds ...brokers.Delivery) {
	r.Helper()
	for _, d := range ds {
		if err := d.Ack(r.Context()); err != nil {
			r.Fatal(err)
		}
	}
}

// counts demands what there is of a queue, as soon as it can be.
func (r *rig) counts(queue string, ready, unacked int) {
	r.Helper()
	err := servertest.Until(r.Context(), 5*time.Second, func() error {
		gotReady, gotUnacked, err := r.broker.(brokers.Inspector).Depth(r.Context(), queue)
		if err == nil && (gotReady != ready || gotUnacked != unacked) {
			err = fmt.Errorf("%d ready and %d unacked, want %d and %d", gotReady, gotUnacked, ready, unacked)
		}
		return err
	})
	if err != nil {
		r.Error(err)
	}
}

// members are the names of the group's consumers in a stream.
func (r *rig) members(key string) (names []string) {
	r.Helper()
	infos, err := r.rdb.XInfoConsumers(r.Context(), key, "taskbench").Result()
	if err != nil {
		r.Fatal(err)
	}
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

// commands are those that the server has carried out, inside scripts too.
func (r *rig) commands() (n int) {
	r.Helper()
	text, err := r.rdb.Info(r.Context(), "commandstats").Result()
	if err != nil {
		r.Fatal(err)
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
	r := launch(t)
	b := r.open(r.server.URL) // with the lease that is usual
	c := r.consume(b, 4, "q", "r")
	r.publish("q", 1)
	r.ack(r.next(c, time.Minute)) // by then its groups and its lease are there
	const length = 5 * time.Second
	before := r.commands()
	<-time.After(length)
	n := r.commands() - before
	t.Logf("%.1f commands a second", float64(n)/length.Seconds())
	if n >= 10*int(length.Seconds()) || n == 0 {
		t.Errorf("%d commands in %v of idleness, want fewer than ten a second", n, length)
	}
}

// Whatever its priority and whoever added it, an entry wakes who waits.
func TestIdleConsumerIsWoken(t *testing.T) {
	r := launch(t)
	c := r.consume(r.broker, 4, "q")
	for _, step := range []string{"0", "3", "6", "9"} {
		if err := r.rdb.XAdd(t.Context(), &goredis.XAddArgs{Stream: "taskbench:stream:q:" + step, Values: []any{"step", step}}).Err(); err != nil {
			t.Fatal(err)
		}
		d := r.next(c, time.Second)
		if want := `{"step":"` + step + `"}`; string(d.Message().Body) != want {
			t.Errorf("got %s, want %s", d.Message().Body, want)
		}
		r.ack(d)
	}
}

// What goes back without having been seen stands where it stood, and does not count as delivered. What was seen counts.
func TestDeliveriesAreCounted(t *testing.T) {
	r := launch(t)
	r.publish("q", 5)
	ctx, end := context.WithCancel(t.Context())
	c, err := r.broker.Consume(ctx, []string{"q"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	first := r.next(c, time.Second)
	r.counts("q", 0, 5)
	end()
	r.counts("q", 4, 1)
	if err := first.Nack(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	again := r.consume(r.broker, 5, "q")
	for i := range 5 {
		d := r.next(again, time.Second)
		if d.Message().CorrelationID != strconv.Itoa(i) || d.Redelivered() != (i == 0) {
			t.Errorf("message %d is %s, redelivered: %v", i, d.Message().CorrelationID, d.Redelivered())
		}
		want := 1
		if i == 0 {
			want = 2
		}
		if n := d.(brokers.Counted).Deliveries(); n != want {
			t.Errorf("message %d was handed out %d times, want %d", i, n, want)
		}
	}
	pending, err := r.rdb.XPendingExt(t.Context(), &goredis.XPendingExtArgs{Stream: "taskbench:stream:q:0", Group: "taskbench", Start: "-", End: "+", Count: 9}).Result()
	if err != nil || len(pending) != 5 || pending[0].RetryCount != 2 || pending[4].RetryCount != 1 {
		t.Errorf("%+v, %v: want five, the first with two deliveries and the last with one", pending, err)
	}
}

// Names of consumers that are gone would otherwise pile up in the group for ever, and acknowledged entries in the stream.
func TestNothingIsLeftBehind(t *testing.T) {
	r := launch(t)
	r.publish("q", 3)
	b := r.open(r.url)
	c := r.consume(b, 3, "q")
	r.ack(r.next(c, time.Second), r.next(c, time.Second))
	if err := b.Close(); err != nil { // holding one
		t.Fatal(err)
	}
	r.counts("q", 1, 0)
	if names := r.members("taskbench:stream:q:0"); len(names) != 1 || names[0] != "returned" {
		t.Errorf("the group consists of %q", names)
	}
	if n, err := r.rdb.ZCard(t.Context(), "taskbench:streams:consumers").Result(); n != 0 || err != nil {
		t.Errorf("%d consumers are known, %v", n, err)
	}
	d := r.next(r.consume(r.broker, 1, "q"), time.Second)
	if r.ack(d); !d.Redelivered() {
		t.Error("what came back does not say so")
	}
	if n, err := r.rdb.XLen(t.Context(), "taskbench:stream:q:0").Result(); n != 0 || err != nil {
		t.Errorf("%d entries are left in the stream, %v", n, err)
	}
}

// Who names a queue that somebody listens on reaches the listener; any other queue lasts, and is a stream.
func TestQueuesByTheirNames(t *testing.T) {
	r := launch(t)
	x := r.broker.(brokers.Exchanger)
	heard, err := x.Subscribe(t.Context(), brokers.Binding{Exchange: brokers.Exchange{Name: "replies", Kind: brokers.Direct}, Key: "k", Queue: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"k", "q"} {
		if err := x.Route(t.Context(), brokers.Exchange{Kind: brokers.Direct}, q, letter(q, 1)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case m := <-heard:
		if m.CorrelationID != "1" {
			t.Errorf("got %+v", m)
		}
	case <-time.After(5 * time.Second):
		t.Error("the listener heard nothing")
	}
	r.ack(r.next(r.consume(r.broker, 1, "q"), time.Second))
}
