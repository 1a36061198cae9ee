package nats

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

// What is held at a kill of the server comes back, and nothing that was settled does.
func TestServerRestartedBetweenClaimAndAck(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	hasty(t, s.url, "q")
	b := openAt(t, s.url, Driver.Variants[0])
	publish(t, b, letter(0), letter(1))
	c := consume(t, b, 2, "q")
	done, held := next(t, c), next(t, c)
	if err := done.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, c); err == nil {
		t.Error("the consumer ended without saying why")
	}
	if err := held.Ack(t.Context()); err == nil {
		t.Error("an ack over a link that is gone succeeded")
	}
	publish(t, b, letter(2)) // the same broker goes on, over another link
	c = consume(t, b, 2, "q")
	got := map[string]bool{}
	for range 2 {
		d := next(t, c)
		got[d.Message().CorrelationID] = true
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !got[letter(1).CorrelationID] || !got[letter(2).CorrelationID] {
		t.Errorf("got %v, want what was held and what was published since", got)
	}
	servertest.Quiet(t, c, 1500*time.Millisecond)
}

// A memory server forgets its streams, and they are made again.
func TestQueuesAreMadeAgain(t *testing.T) {
	t.Parallel()
	v, err := Driver.Variant("memory")
	if err != nil {
		t.Fatal(err)
	}
	s := launch(t, v, plain)
	b := openAt(t, s.url, v)
	publish(t, b, letter(0))
	if err := s.restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := servertest.Until(t.Context(), soon, func() error { return b.Publish(t.Context(), letter(1)) }); err != nil {
		t.Fatal(err)
	}
	if d := next(t, consume(t, b, 1, "q")); d.Message().CorrelationID != letter(1).CorrelationID {
		t.Errorf("got %s, which had died with the server", d.Message().CorrelationID)
	}
	// And when somebody removes one under our feet.
	js := stranger(t, s.url)
	c := consume(t, b, 1, "other")
	if err := js.DeleteStream(t.Context(), queueOf("other").name); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, c); err == nil || !strings.Contains(err.Error(), "has gone") {
		t.Errorf("the consumer of a removed stream ended with %v", err)
	}
	other := brokers.Message{Queue: "other"}
	publish(t, b, other)
	if errs := b.PublishBatch(t.Context(), []brokers.Message{other}); errs[0] != nil {
		t.Error(errs[0])
	}
}

// A lease is renewed for as long as the message is held, and is over when the process stands still.
func TestLeases(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	hasty(t, s.url, "q")
	hasty(t, s.url, "still")
	b := openAt(t, s.url, Driver.Variants[0])
	publish(t, b, letter(0), brokers.Message{Queue: "still"})
	held := next(t, consume(t, b, 1, "q"))
	others := consume(t, openAt(t, s.url, Driver.Variants[0]), 5, "q")
	servertest.Quiet(t, others, 3*time.Second)
	if err := held.Ack(t.Context()); err != nil {
		t.Errorf("the ack of a message held for three leases: %v", err)
	}

	child := brokertest.Holding(brokertest.Subject{}, func(queue string) *exec.Cmd { return taker(s.url, Driver.Variants[0], queue) })
	if err := child.Vanish(t.Context(), "still"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d := next(t, consume(t, b, 1, "still"))
	if took := time.Since(began); took > 5*time.Second || !d.Redelivered() {
		t.Errorf("what a killed process held came after %v, redelivered %v", took, d.Redelivered())
	}
}

// A process that stood still for longer than its lease finds that out before the server is asked.
func TestLateAcksAreRefused(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	publish(t, b, letter(0))
	c := consume(t, b, 1, "q")
	d := next(t, c)
	b.mu.Lock()
	for src := range b.sources {
		src.mu.Lock()
		for _, h := range src.holds {
			h.renewed = h.renewed.Add(-time.Hour)
		}
		src.mu.Unlock()
	}
	b.mu.Unlock()
	if err := d.Ack(t.Context()); !errors.Is(err, errLapsed) {
		t.Errorf("a late ack gives %v", err)
	}
	if err := ends(t, c); !errors.Is(err, errLapsed) {
		t.Errorf("the consumer ended with %v", err)
	}
	if _, unacked, err := b.Depth(t.Context(), "q"); unacked != 1 || err != nil {
		t.Errorf("%d are held, %v; want that the ack had no effect", unacked, err)
	}
}

// One bound holds for all queues of a consumer, and nothing is lost or doubled by what had to go back.
func TestPrefetchOverManyQueues(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	queues := []string{"a", "b", "c", "d", "e"}
	const each = 20
	for i := range each {
		for _, q := range queues {
			publish(t, b, brokers.Message{Queue: q, CorrelationID: q + strconv.Itoa(i)})
		}
	}
	c := consume(t, b, 2, queues...)
	got := map[string]int{}
	for range each * len(queues) / 2 {
		hand := []brokers.Delivery{next(t, c), next(t, c)}
		servertest.Quiet(t, c, 20*time.Millisecond)
		for _, d := range hand {
			got[d.Message().CorrelationID]++
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, times := range got {
		if times != 1 {
			t.Errorf("message %s came %d times", id, times)
		}
	}
	if len(got) != each*len(queues) {
		t.Errorf("%d messages came, want %d", len(got), each*len(queues))
	}
}

// Many idle workers are what most servers have to bear most of the time; and none of them looks by itself.
func TestIdleConsumerCostsLittleAndIsWoken(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	c := consume(t, b, 8, "q", "r", "s")
	before := b.link.nc.Stats().OutMsgs
	servertest.Quiet(t, c, 4*time.Second)
	if n := b.link.nc.Stats().OutMsgs - before; n >= 20 { // pings, one each two seconds, are not counted as messages
		t.Errorf("%d messages in four idle seconds", n)
	}
	from := openAt(t, s.url, Driver.Variants[0])
	fastest := time.Hour
	for range 5 {
		publish(t, from, brokers.Message{Queue: "r"})
		began := time.Now()
		if err := next(t, c).Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 100*time.Millisecond {
		t.Errorf("a message waited %v for an idle consumer", fastest)
	}
}

func TestMessagesOfOthersArrive(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	c := consume(t, b, 1, "my queue")
	if _, err := stranger(t, s.url).Publish(t.Context(), "taskbench.q.my=20queue", []byte("no envelope")); err != nil {
		t.Fatal(err)
	}
	d := next(t, c)
	if m := d.Message(); string(m.Body) != "no envelope" || m.Queue != "my queue" || d.Redelivered() {
		t.Errorf("got %+v", m)
	}
}

// Each delayed message comes once though several brokers move them, and one that is moved again is not stored again.
func TestDelayedComeOnce(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	c := consume(t, b, 100, "q")
	for range 3 {
		consume(t, openAt(t, s.url, Driver.Variants[0]), 1, "other")
	}
	const n = 100
	for i := range n {
		if err := b.Delay(t.Context(), letter(i), time.Now().Add(500*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for range n {
		d := next(t, c)
		got[d.Message().CorrelationID]++
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != n {
		t.Errorf("%d different messages came, want %d", len(got), n)
	}
	servertest.Quiet(t, c, 500*time.Millisecond)
	again := queueOf("again")
	for range 2 {
		if err := b.store(t.Context(), b.link, again, again.subject, client.Header{"Nats-Msg-Id": {"one"}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if ready, _, err := b.Depth(t.Context(), "again"); ready != 1 || err != nil {
		t.Errorf("what was moved twice is there %d times, %v", ready, err)
	}
	if err := servertest.Until(t.Context(), soon, func() error {
		ready, unacked, err := b.count(t.Context(), delayedMessages)
		if err == nil && ready+unacked != 0 {
			err = fmt.Errorf("%d messages are left where they waited", ready+unacked)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// Somebody removes the stream of what is delayed under the feet of who moves it.
func TestDelayedAfterTheirStreamWasRemoved(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	b := openAt(t, s.url, Driver.Variants[0])
	c := consume(t, b, 1, "q")
	if err := stranger(t, s.url).DeleteStream(t.Context(), delayedStream); err != nil {
		t.Fatal(err)
	}
	if err := b.Delay(t.Context(), letter(0), time.Now().Add(100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := next(t, c).Ack(t.Context()); err != nil {
		t.Error(err)
	}
}
