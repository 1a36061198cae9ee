package postgres

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

func openAt(t testing.TB, url string, v brokers.Variant) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*broker)
}

// launch starts a server, and returns its URL and a session that looks behind the brokers' backs.
func launch(t testing.TB) (string, *pgx.Conn) {
	t.Helper()
	servertest.Needed(t)
	s := servertest.Launch(t, Driver)
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return s.URL, conn
}

func do(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// with changes a URL.
func with(t testing.TB, rawURL string, change func(u *url.URL, q url.Values)) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(u, q)
	u.RawQuery = q.Encode()
	return u.String()
}

func letter(queue, id string) brokers.Message {
	return brokers.Message{
		Queue: queue, CorrelationID: id, Headers: map[string]any{"id": id}, Body: []byte(id), ContentType: "text/plain", ContentEncoding: "utf-8",
	}
}

func send(t testing.TB, b brokers.Broker, m brokers.Message) {
	t.Helper()
	if err := b.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, b brokers.Broker, queue string, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{queue}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t testing.TB, c brokers.Consumer) brokers.Delivery {
	t.Helper()
	return servertest.Next(t, c, 15*time.Second)
}

func ended(t testing.TB, c brokers.Consumer) {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if open {
			t.Fatalf("message %s came", d.Message().CorrelationID)
		}
		if c.Err() == nil {
			t.Error("the consumer has ended without a reason")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the consumer has not ended")
	}
}

func count(t testing.TB, conn *pgx.Conn, query string, args ...any) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Workers that start at the same time on an empty database all want to make the tables.
func TestManyOpenAnEmptyDatabase(t *testing.T) {
	url, _ := launch(t)
	for _, v := range Driver.Variants {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				b, err := Driver.Open(t.Context(), url, v)
				if err != nil {
					t.Errorf("%s: %v", v.Name, err)
					return
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// A fleet of idle workers is what most servers have to bear most of the time.
func TestIdleConsumerCostsLittle(t *testing.T) {
	servertest.Needed(t)
	for _, v := range Driver.Variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			url, conn := launch(t)
			receive(t, openAt(t, url, v), "q", 4)
			transactions := func() int {
				return count(t, conn, `SELECT sum(xact_commit + xact_rollback)::int FROM pg_stat_database WHERE datname = current_database()`)
			}
			<-time.After(2 * time.Second) // until the server has counted what the opening cost
			const length = 5 * time.Second
			before := transactions()
			<-time.After(length)
			if n := transactions() - before; n >= 10*int(length.Seconds()) || n == 0 {
				t.Errorf("%d transactions in %v of idleness, want fewer than ten a second", n, length)
			}
		})
	}
}

// Whoever was stopped for longer than its lease must not settle what is somebody else's by now.
func TestLapsedConsumer(t *testing.T) {
	url, conn := launch(t)
	v := Driver.Variants[0]
	stopped, other := openAt(t, url, v), openAt(t, url, v)
	send(t, stopped, letter("q", "1"))
	c := receive(t, stopped, "q", 1)
	first := next(t, c)
	lapsing := stopped.seat.Last().owner
	rest := receive(t, other, "q", 1)
	var again brokers.Delivery
	err := servertest.Until(t.Context(), 20*time.Second, func() error {
		do(t, conn, fmt.Sprintf(`UPDATE taskbench_consumer SET until = now() - interval '1 s' WHERE id = %d`, lapsing)) // against its renewing
		select {
		case again = <-rest.Deliveries():
			return nil
		default:
			return fmt.Errorf("the message has not come back")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if again.Message().CorrelationID != "1" || !again.Redelivered() {
		t.Errorf("%s came, redelivered %v", again.Message().CorrelationID, again.Redelivered())
	}
	if err := first.Ack(t.Context()); err == nil || !brokers.Definite(err) {
		t.Errorf("the late ack gives %v, want a Definite error", err)
	}
	ended(t, c)
	if err := again.Ack(t.Context()); err != nil {
		t.Error(err)
	}
	if n := count(t, conn, `SELECT count(*)::int FROM taskbench_message`); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// An administrator, or a fail-over, ends sessions one by one; each must be noticed, the one that only listens too.
func TestEndedSessions(t *testing.T) {
	url, conn := launch(t)
	for _, v := range Driver.Variants {
		b := openAt(t, url, v)
		queue := "q-" + v.Name
		send(t, b, letter(queue, "1"))
		c := receive(t, b, queue, 1)
		next(t, c)
		do(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%taskbench%' AND pid <> pg_backend_pid()`)
		ended(t, c)
		if err := servertest.Until(t.Context(), 10*time.Second, func() error {
			return b.Publish(t.Context(), letter(queue, "2"))
		}); err != nil {
			t.Errorf("%s: publish after the sessions have been ended: %v", v.Name, err)
		}
		missing := map[string]bool{"2": true, "1": v.Promised(brokers.Redelivers)} // of kombu, what was held is lost with the link
		for rest := receive(t, b, queue, 2); missing["1"] || missing["2"]; {
			d := next(t, rest)
			if id := d.Message().CorrelationID; !missing[id] || d.Redelivered() != (id == "1") {
				t.Errorf("%s: then %s comes, redelivered %v", v.Name, id, d.Redelivered())
			}
			missing[d.Message().CorrelationID] = false
		}
	}
}

// A server that is killed leaves a file behind that names its process.
func TestServerIsKilledAndComesBack(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, Driver)
	b := openAt(t, s.URL, Driver.Variants[0])
	send(t, b, letter("q", "1"))
	for range 2 {
		s.Kill()
		if err := s.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(15 * time.Second); ; {
		c := receive(t, b, "q", 1)
		var d brokers.Delivery
		var open bool
		select {
		case d, open = <-c.Deliveries():
		case <-time.After(15 * time.Second):
			t.Fatal("nothing came")
		}
		if !open && time.Now().Before(deadline) {
			t.Logf("a session of before the kill was found dead: %v", c.Err())
			continue
		}
		if !open {
			t.Fatalf("the consumer has ended: %v", c.Err())
		}
		if d.Message().CorrelationID != "1" || d.Redelivered() {
			t.Errorf("%s came, redelivered %v", d.Message().CorrelationID, d.Redelivered())
		}
		return
	}
}
