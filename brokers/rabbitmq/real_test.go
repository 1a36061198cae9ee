package rabbitmq_test

import (
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/servertest"
)

// open starts a server, a broker of ours on it, and a channel to do things behind its back.
func open(t *testing.T) (brokers.Broker, *amqp.Channel) {
	t.Helper()
	s := servertest.Launch(t, rabbitmq.Driver)
	b, err := rabbitmq.Driver.Open(t.Context(), s.URL, rabbitmq.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	c, err := amqp.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return b, ch
}

const patience = 30 * time.Second

// One server does for all: it takes longer to start than they take.
func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	b, behind := open(t)
	t.Run("replies are not dropped", func(t *testing.T) { replies(t, b) })
	t.Run("delay binds anew after deletion", func(t *testing.T) { deletion(t, b, behind) })
}

// Results of a burst that are read slowly are results all the same.
func replies(t *testing.T, b brokers.Broker) {
	x := b.(brokers.Exchanger)
	from := brokers.Exchange{Name: "replies", Kind: brokers.Direct, Durable: true}
	sub, err := x.Subscribe(t.Context(), brokers.Binding{Exchange: from, Key: "mine", Queue: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	const burst = 3000
	for i := range burst {
		m := brokers.Message{CorrelationID: fmt.Sprint(i), Transient: true}
		if err := x.Route(t.Context(), brokers.Exchange{Kind: brokers.Direct}, "mine", m); err != nil {
			t.Fatal(err)
		}
	}
	limit := time.After(patience)
	for i := range burst {
		select {
		case m := <-sub:
			if m.CorrelationID != fmt.Sprint(i) {
				t.Fatalf("reply %d is %q", i, m.CorrelationID)
			}
		case <-limit:
			t.Fatalf("only %d of %d replies came", i, burst)
		}
	}
}

// Where somebody has deleted a queue, and with it what bound it, what is delayed afterwards must arrive again.
func deletion(t *testing.T, b brokers.Broker, behind *amqp.Channel) {
	delay := func(id string) {
		t.Helper()
		m := brokers.Message{Queue: "q", CorrelationID: id}
		if err := b.(brokers.Delayer).Delay(t.Context(), m, time.Now().Add(2500*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	delay("1")
	if _, err := behind.QueueDelete("q", false, false, false); err != nil {
		t.Fatal(err)
	}
	<-time.After(1100 * time.Millisecond) // until the binding is not trusted any more
	delay("2")
	c, err := b.Consume(t.Context(), []string{"q"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	limit := time.After(patience)
	for {
		select {
		case d := <-c.Deliveries():
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d.Message().CorrelationID == "2" { // the first one has been on its way, and may come too
				return
			}
		case <-limit:
			t.Fatal("what was delayed after the deletion is lost")
		}
	}
}
