package beanstalkd_test

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	beanstalk "github.com/beanstalkd/go-beanstalk"

	"taskbench/brokers"
	"taskbench/brokers/beanstalkd"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

// A worker that is killed says nothing; the end of its connections does.
func TestKilledWorkersMessageComesBack(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, beanstalkd.Driver)
	subject := brokertest.Subject{Driver: beanstalkd.Driver, Variant: beanstalkd.Driver.Variants[0], URL: s.URL}
	subject.Vanish = func(ctx context.Context, queue string) error { return vanish(ctx, s.URL, queue) }
	for _, c := range brokertest.Clauses() {
		if c.Name == "unacked-returns-on-death" {
			if r := brokertest.Apply(t.Context(), subject, c); r.Err != nil || r.Unfit != "" || r.Elapsed > soon {
				t.Errorf("%s after %v: %v %s", c.Name, r.Elapsed, r.Err, r.Unfit)
			}
			return
		}
	}
	t.Error("the contract has no clause unacked-returns-on-death any more")
}

// A worker that stands still keeps its connections: its message comes back when its time to run has passed, and not
// before. Now and then the server forgets that, as doc.go says: then it shows in the server's own statistics, the message
// comes back when that worker is killed, and another worker is stopped.
func TestFrozenWorkersMessageComesBack(t *testing.T) {
	servertest.Needed(t)
	const tries = 5
	for range tries {
		if frozenWorkersMessage(t) || t.Failed() {
			return
		}
	}
	t.Errorf("the server has forgotten %d times that a time had passed: that is no accident", tries)
}

// frozenWorkersMessage is false where the server has forgotten the message.
func frozenWorkersMessage(t *testing.T) (came bool) {
	t.Helper()
	const ttr = 4 * time.Second
	b, watcher, s := launch(t, "?ttr=4s")
	publish(t, b, brokers.Message{Queue: "q", CorrelationID: "m"})
	child, err := startChild(t.Context(), s.URL, "q")
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { _ = child.Process.Kill(); _ = child.Wait() })
	defer end()
	c := consume(t, b, "q", 1)
	select {
	case <-c.Deliveries():
		t.Fatal("what a living worker holds came to another")
	case <-time.After(ttr + ttr/2): // it is renewed
	}
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	var d brokers.Delivery
	select {
	case d = <-c.Deliveries():
	case <-time.After(ttr + 2*time.Second):
		const only = 1 // the job that the server has
		job, err := watcher.StatsJob(only)
		if err != nil || job["state"] != "reserved" || !strings.HasPrefix(job["time-left"], "-") {
			t.Fatalf("nothing came within %v, and the server says of the job: %v, %v", ttr+2*time.Second, job, err)
		}
		end()
		if d := next(t, c); !d.Redelivered() {
			t.Error("what a killed worker had came back without the flag")
		}
		return false
	}
	if d == nil {
		t.Fatalf("the consumer has ended: %v", c.Err())
	}
	if after := time.Since(stopped); after < ttr/3 || after > ttr+2*time.Second || !d.Redelivered() {
		t.Errorf("it came %v after its worker stood still, flagged %v; want from %v on, at most %v, and flagged", after, d.Redelivered(), ttr/3, ttr)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
	return true
}

// Who holds a message beyond its time without a touch has lost it: settling says so, and changes nothing.
func TestLateSettlingIsAnError(t *testing.T) {
	servertest.Needed(t)
	b, c, s := launch(t, "?ttr=1s")
	publish(t, b, brokers.Message{Queue: "q"})
	began := time.Now()
	tubes := beanstalk.NewTubeSet(c, "q")
	id, _, err := tubes.Reserve(soon) // and it is not touched
	if err != nil {
		t.Fatal(err)
	}
	consumer := consume(t, open(t, s.URL), "q", 1)
	var d brokers.Delivery
	select {
	case d = <-consumer.Deliveries():
	case <-time.After(3 * time.Second):
		if _, err := c.Stats(); err != nil { // a server that has forgotten its time looks once the connection speaks
			t.Fatal(err)
		}
		d = next(t, consumer)
	}
	if d == nil {
		t.Fatalf("the consumer has ended: %v", consumer.Err())
	}
	if took := time.Since(began); took < time.Second || !d.Redelivered() {
		t.Errorf("it came back after %v, flagged %v, want after a second and flagged", took, d.Redelivered())
	}
	if err := c.Delete(id); err == nil {
		t.Error("a late delete succeeded, though the message is another's")
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a consumer had taken and nobody had read is there for others at once, in its order.
func TestUnreadGoesBackInOrder(t *testing.T) {
	servertest.Needed(t)
	b, _, _ := launch(t, "")
	var want []string
	for _, id := range strings.Fields("a b c d e f g h") {
		publish(t, b, brokers.Message{Queue: "q", CorrelationID: id})
		want = append(want, id)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := b.Consume(ctx, []string{"q"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	first := next(t, c)
	cancel()
	for d := range c.Deliveries() { // what a reader is quick enough to get is his
		if err := d.Nack(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	if err := first.Ack(t.Context()); err != nil {
		t.Error(err)
	}
	c = consume(t, b, "q", 2)
	for _, id := range want[1:] {
		d := next(t, c)
		if got := d.Message().CorrelationID; got != id {
			t.Errorf("%s came, want %s", got, id)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A consumer that has ended leaves no connection behind, once what was in hand is settled.
func TestEndedConsumersHangUp(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	consumer, err := b.Consume(ctx, []string{"q"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, brokers.Message{Queue: "q"})
	d := next(t, consumer)
	publish(t, b, brokers.Message{Queue: "q"}) // and this may come, and be given back
	cancel()
	eventually(t, "one connection is left, for what is in hand", func() bool { return stats(t, c)["current-connections"] == "3" })
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "none is left", func() bool { return stats(t, c)["current-connections"] == "2" })
}

// A publisher outlives its server.
func TestPublishingGoesOnAfterARestart(t *testing.T) {
	servertest.Needed(t)
	b, _, s := launch(t, "")
	publish(t, b, brokers.Message{Queue: "q"})
	s.Kill()
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err == nil {
		t.Error("published to a server that is dead")
	}
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); !brokers.Definite(err) {
		t.Errorf("publish where nobody listens: %v", err)
	}
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, brokers.Message{Queue: "q"})
	if ready, _, err := b.(brokers.Inspector).Depth(t.Context(), "q"); ready != 1 || err != nil {
		t.Errorf("%d messages are ready, %v", ready, err)
	}
}
