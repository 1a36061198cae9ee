package stream_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// refused demands a Definite error that says what to do.
func refused(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if !brokers.Definite(err) {
		t.Errorf("%s: %v, want a Definite error", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v, want %q in it", what, err, w)
		}
	}
}

func TestKeyOfAnotherType(t *testing.T) {
	r := launch(t)
	if err := r.rdb.Set(t.Context(), "taskbench:stream:q:3", "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := r.broker.Consume(t.Context(), []string{"q"}, 1)
	refused(t, "consume", err, "redis", "taskbench:stream:q:3", "is a string", "rename it")
	m := letter("q", 0)
	m.Priority = 3
	refused(t, "publish", r.broker.Publish(t.Context(), m), "publish to q", "WRONGTYPE", "another name")

	// Where it becomes one under a consumer, that ends and says why.
	c := r.consume(r.broker, 1, "r")
	if err := r.rdb.Set(t.Context(), "taskbench:stream:r:0", "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	m = letter("r", 0)
	m.Priority = 9
	if err := r.broker.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	select {
	case d, open := <-c.Deliveries():
		if open || c.Err() == nil || !strings.Contains(c.Err().Error(), "redis: WRONGTYPE") || !strings.Contains(c.Err().Error(), "another name") {
			t.Errorf("got %v, and Err is %v", d, c.Err())
		}
	case <-time.After(5 * time.Second):
		t.Error("the consumer goes on")
	}
}

// What a group knew of who holds what is gone with it, and nothing else: all that was not acknowledged comes, some of it again.
func TestGroupIsDestroyed(t *testing.T) {
	r := launch(t)
	r.publish("q", 10)
	c := r.consume(r.broker, 4, "q")
	held := []brokers.Delivery{r.next(c, time.Second), r.next(c, time.Second)}
	r.ack(held[0])
	if err := r.rdb.XGroupDestroy(t.Context(), "taskbench:stream:q:0", "taskbench").Err(); err != nil {
		t.Fatal(err)
	}
	if err := held[1].Ack(t.Context()); err == nil || !strings.Contains(err.Error(), "the group was destroyed") {
		t.Errorf("ack of what nobody knows to be ours any more: %v", err)
	}
	seen := map[string]bool{}
	for deadline := time.Now().Add(10 * time.Second); len(seen) < 9 && time.Now().Before(deadline); {
		d := r.next(c, 5*time.Second)
		if d.Ack(t.Context()) == nil {
			seen[d.Message().CorrelationID] = true
		}
	}
	if len(seen) != 9 || seen["0"] {
		t.Errorf("after the first was acknowledged, got %v, want the nine others", seen)
	}
	r.counts("q", 0, 0)
}

// An entry that is none of ours can be rejected, and then is with the dead letters as it was.
func TestForeignEntries(t *testing.T) {
	r := launch(t)
	r.publish("q", 1)
	foreign := map[string]any{"who": "somebody", "what": "else"}
	for _, values := range []map[string]any{foreign, {"m": "no message of ours"}} {
		if err := r.rdb.XAdd(t.Context(), &goredis.XAddArgs{Stream: "taskbench:stream:q:0", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.publish("q", 1)
	c := r.consume(r.broker, 4, "q")
	for i := range 4 {
		d := r.next(c, time.Second)
		if d.Message().Headers != nil {
			r.ack(d)
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(d.Message().Body, &fields); err != nil || i == 1 && !reflect.DeepEqual(fields, foreign) {
			t.Errorf("message %d has the body %q, %v", i, d.Message().Body, err)
		}
		if err := d.Nack(t.Context(), false); err != nil {
			t.Error(err)
		}
	}
	aside, err := r.rdb.XRange(t.Context(), "taskbench:stream:q.dead:0", "-", "+").Result()
	if err != nil || len(aside) != 2 || !reflect.DeepEqual(aside[0].Values, foreign) || aside[1].Values["m"] != "no message of ours" {
		t.Errorf("kept aside: %v, %v", aside, err)
	}
	r.counts("q", 0, 0)
	r.counts("q.dead", 2, 0)
}

func TestUserWithoutTheRight(t *testing.T) {
	r := launch(t)
	for user, command := range map[string]string{"reader": "xadd", "writer": "xreadgroup"} {
		if err := r.rdb.Do(t.Context(), "acl", "setuser", user, "on", ">secret", "~*", "&*", "+@all", "-"+command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) brokers.Broker {
		return r.open(strings.Replace(r.url, "redis://", "redis://"+user+":secret@", 1))
	}
	_, err := as("writer").Consume(t.Context(), []string{"q"}, 1)
	refused(t, "consume", err, "consume from redis", "NOPERM", "ACL SETUSER")
	refused(t, "publish", as("reader").Publish(t.Context(), letter("q", 0)), "publish to q", "NOPERM", "ACL SETUSER")
}

func TestReplica(t *testing.T) {
	r := launch(t)
	if err := r.rdb.Do(t.Context(), "replicaof", "127.0.0.1", strconv.Itoa(servertest.FreePort(t))).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := r.broker.Consume(t.Context(), []string{"q"}, 1)
	refused(t, "consume", err, "consume from redis", "READONLY", "connect to the master")
	refused(t, "publish", r.broker.Publish(t.Context(), letter("q", 0)), "publish to q", "READONLY", "connect to the master")
	if _, _, err := r.broker.(brokers.Inspector).Depth(t.Context(), "q"); err != nil {
		t.Errorf("count on a replica: %v", err)
	}
}

// A server whose memory is full takes nothing more; consuming is the way out of that.
func TestMemoryIsFull(t *testing.T) {
	r := launch(t)
	r.publish("q", 3)
	if err := r.rdb.ConfigSet(t.Context(), "maxmemory", "100kb").Err(); err != nil {
		t.Fatal(err)
	}
	refused(t, "publish", r.broker.Publish(t.Context(), letter("q", 3)), "publish to q", "OOM", "maxmemory")
	c := r.consume(r.broker, 1, "q")
	d := r.next(c, time.Second)
	if err := d.Nack(t.Context(), true); err != nil {
		t.Error(err)
	}
	d = r.next(c, time.Second)
	if err := d.Nack(t.Context(), false); err != nil {
		t.Error(err)
	}
	for range 2 {
		r.ack(r.next(c, time.Second))
	}
	r.counts("q", 0, 0)
	r.counts("q.dead", 1, 0)
}

// A server that is killed between claim and ack remembers who holds what, and for how long it has been so.
func TestServerRestartsBetweenClaimAndAck(t *testing.T) {
	r := launch(t, "--appendonly", "yes", "--appendfsync", "always")
	r.publish("q", 2)
	c := r.consume(r.broker, 1, "q")
	d := r.next(c, time.Second)
	r.server.Kill()
	if err := r.server.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range c.Deliveries() { // until the loss is seen
		t.Error("a consumer without a link delivers")
	}
	if c.Err() == nil {
		t.Error("Err does not say that the link was lost")
	}
	r.counts("q", 1, 1)
	again := r.consume(r.broker, 2, "q")
	got := map[string]bool{}
	for range 2 {
		d := r.next(again, lease+5*time.Second)
		got[d.Message().CorrelationID] = d.Redelivered()
		r.ack(d)
	}
	if want := map[string]bool{"0": true, "1": false}; !reflect.DeepEqual(got, want) {
		t.Errorf("got, with its flag: %v, want %v", got, want)
	}
	if err := d.Ack(t.Context()); err == nil {
		t.Error("what somebody else has done could be acknowledged")
	}
}

// Who joins the group with tools of their own has no lease: what they hold goes back at the visibility timeout.
func TestStraysGoBack(t *testing.T) {
	r := launch(t)
	r.publish("q", 1)
	if err := r.rdb.XGroupCreate(t.Context(), "taskbench:stream:q:0", "taskbench", "0").Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	taken, err := r.rdb.XReadGroup(t.Context(), &goredis.XReadGroupArgs{Group: "taskbench", Consumer: "somebody", Streams: []string{"taskbench:stream:q:0", ">"}, Block: -1}).Result()
	if err != nil || len(taken) != 1 {
		t.Fatal(fmt.Sprint(taken, err))
	}
	const visibility = 2 * time.Second
	d := r.next(r.consume(r.open(r.url+"&visibility_timeout="+visibility.String()), 1, "q"), visibility+3*time.Second)
	if since := time.Since(began); since < visibility || !d.Redelivered() {
		t.Errorf("came back after %v, redelivered: %v", since, d.Redelivered())
	}
	r.ack(d)
}
