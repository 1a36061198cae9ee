package rabbitmq_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/servertest"
)

// open starts a server, a broker of ours on it, and a channel to do things behind its back.
func open(t *testing.T) (string, brokers.Broker, *amqp.Channel) {
	t.Helper()
	s := servertest.Launch(t, rabbitmq.Driver)
	b := openURL(t, s.URL)
	c, err := amqp.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, b, ch
}

func openURL(t *testing.T, url string) brokers.Broker {
	t.Helper()
	b, err := rabbitmq.Driver.Open(t.Context(), url, rabbitmq.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// What a connection held that ended counts as handed out once more, and the first time is not told.
func quorumCounts(t *testing.T, at string) {
	quorum, err := rabbitmq.Driver.Variant("quorum")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 2, 3, 4} {
		b, err := rabbitmq.Driver.Open(t.Context(), at, quorum)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }() // it mostly is already
		if i == 0 {
			if err := b.Publish(t.Context(), brokers.Message{Queue: "counted", Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		c, err := b.Consume(t.Context(), []string{"counted"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := servertest.Next(t, c, patience)
		if got := d.(brokers.Counted).Deliveries(); got != want {
			t.Errorf("the message was handed out %d times, want %d", got, want)
		}
		if i == 3 {
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const patience = 30 * time.Second

// One server does for all: it takes longer to start than they take.
func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	at, b, behind := open(t)
	t.Run("replies are not dropped", func(t *testing.T) { replies(t, b) })
	t.Run("delay binds anew after deletion", func(t *testing.T) { deletion(t, b, behind) })
	t.Run("urgent messages overtake", func(t *testing.T) { urgency(t, at) })
	t.Run("priorities that were declared otherwise", func(t *testing.T) { discord(t, at, b) })
	t.Run("quorum queues count deliveries", func(t *testing.T) { quorumCounts(t, at) })
	t.Run("idle costs little", func(t *testing.T) { idleCostsLittle(t, at) })
}

// A fleet of idle workers is what most servers have to bear most of the time. Counted are packets to the server, with a frame
// or more in each; a server that is asked for nothing gets heartbeats alone.
func idleCostsLittle(t *testing.T, at string) {
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	u.Host = listener.Addr().String()
	relay := brokertest.NewRelay(listener, func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", server)
		return counted{c, &sent}, err
	})
	t.Cleanup(func() { _ = relay.Close() })
	b := openURL(t, u.String())
	c, err := b.Consume(t.Context(), []string{"idle", "idler"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), brokers.Message{Queue: "idle"}); err != nil {
		t.Fatal(err)
	}
	if err := servertest.Next(t, c, patience).Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Quiet(t, c, 500*time.Millisecond)
	const length = 4 * time.Second // in which both connections have a heartbeat
	before := sent.Load()
	servertest.Quiet(t, c, length)
	if n := sent.Load() - before; n >= 10*int64(length.Seconds()) || n == 0 {
		t.Errorf("%d packets in %v of idleness, want fewer than ten a second", n, length)
	}
}

type counted struct {
	net.Conn
	packets *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.packets.Add(1)
	return c.Conn.Write(p)
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

// With max_priority in the URL what is urgent comes first, also what had to wait for its time; dead letters stay in order.
func urgency(t *testing.T, at string) {
	b := openURL(t, at+"?max_priority=10")
	order := func(queue string, from brokers.Broker, settle func(brokers.Delivery) error, want ...string) {
		t.Helper()
		within, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := from.Consume(within, []string{queue}, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range want {
			d, open := <-c.Deliveries()
			if !open {
				t.Fatalf("%s: only %q came: %v", queue, got, c.Err())
			}
			m := d.Message()
			got = append(got, fmt.Sprintf("%s:%d", m.CorrelationID, m.Priority))
			if err := settle(d); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: came as %q, want %q", queue, got, want)
		}
	}
	for i, priority := range []uint8{0, 5, 10, 5, 0, 9} {
		m := brokers.Message{Queue: "urgent", CorrelationID: fmt.Sprint(i), Priority: priority}
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	late := brokers.Message{Queue: "urgent", CorrelationID: "late", Priority: 7}
	due := time.Now().Add(2500 * time.Millisecond)
	if err := b.(brokers.Delayer).Delay(t.Context(), late, due); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		ready, _, err := b.(brokers.Inspector).Depth(t.Context(), "urgent")
		if err != nil {
			t.Fatal(err)
		}
		if ready == 7 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 7 messages are there", ready)
		}
		<-time.After(50 * time.Millisecond)
	}
	reject := func(d brokers.Delivery) error { return d.Nack(t.Context(), false) }
	order("urgent", b, reject, "2:10", "5:9", "late:7", "1:5", "3:5", "0:0", "4:0")
	// A broker without the parameter finds the dead letters, and nothing else in order than it came.
	ack := func(d brokers.Delivery) error { return d.Ack(t.Context()) }
	order(brokers.DeadLetterQueue("urgent"), openURL(t, at), ack, "2:10", "5:9", "late:7", "1:5", "3:5", "0:0", "4:0")
	again := brokers.Message{Queue: brokers.DeadLetterQueue("urgent"), CorrelationID: "x"}
	for _, priority := range []uint8{1, 9} {
		again.Priority = priority
		if err := b.Publish(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	order(again.Queue, b, ack, "x:1", "x:9")
}

// A queue is refused whose priorities are others than the URL says, and the error says what to do.
func discord(t *testing.T, at string, plain brokers.Broker) {
	ten := openURL(t, at+"?max_priority=10")
	if err := ten.Publish(t.Context(), brokers.Message{Queue: "ten"}); err != nil {
		t.Fatal(err)
	}
	if err := plain.Publish(t.Context(), brokers.Message{Queue: "plain"}); err != nil {
		t.Fatal(err)
	}
	for queue, b := range map[string]brokers.Broker{"ten": plain, "plain": ten} {
		err := b.Publish(t.Context(), brokers.Message{Queue: queue})
		if !brokers.Definite(err) || !strings.Contains(err.Error(), "max_priority=10") {
			t.Errorf("%s: %v, want a Definite error that names the parameter", queue, err)
		}
	}
}
