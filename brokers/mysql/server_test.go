package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/servertest"
)

// launch starts a server, and returns what opens brokers of ours on it, and a pool that looks behind their back.
func launch(t *testing.T) (open func() brokers.Broker, db *sql.DB) {
	t.Helper()
	return launchAs(t, Driver.Variants[0].Name)
}

func launchAs(t *testing.T, variant string) (open func() brokers.Broker, db *sql.DB) {
	t.Helper()
	servertest.Needed(t)
	v, err := Driver.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.Launch(t, Driver)
	c, err := configure(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	db = connect(c)
	t.Cleanup(func() { _ = db.Close() })
	return func() brokers.Broker {
		b, err := Driver.Open(t.Context(), s.URL, v)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}, db
}

func consume(t *testing.T, b brokers.Broker, prefetch int, queues ...string) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), queues, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, b brokers.Broker, queue, id string) {
	t.Helper()
	if err := b.Publish(t.Context(), brokers.Message{Queue: queue, CorrelationID: id}); err != nil {
		t.Fatal(err)
	}
}

const idle = feed.IdleAfter + 2*feed.IdleLook // until a consumer counts as idle

// A fleet of idle workers is what most servers have to bear most of the time.
func TestIdleConsumerCostsLittle(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"lease", kombuVariant} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			idleCostsLittle(t, variant)
		})
	}
}

func idleCostsLittle(t *testing.T, variant string) {
	open, db := launchAs(t, variant)
	consume(t, open(), 4, "q", "r")
	questions := func() (n int) {
		var name string
		if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	<-time.After(idle)
	const length = 4 * time.Second
	before := questions()
	<-time.After(length)
	if n := questions() - before; n >= 10*int(length.Seconds()) || n < 4 {
		t.Errorf("%d statements in %v of idleness, want fewer than ten a second", n, length)
	}
}

// Another process wakes nobody: the consumer has to see what comes by itself, and soon what comes after it.
func TestIdleConsumerSeesWhatOthersPublish(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"lease", kombuVariant} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			idleSees(t, variant)
		})
	}
}

func idleSees(t *testing.T, variant string) {
	open, _ := launchAs(t, variant)
	other, c := open(), consume(t, open(), 4, "q", "r")
	<-time.After(idle)
	for _, q := range []string{"q", "r", "q"} {
		publish(t, other, q, q)
		if d := servertest.Next(t, c, 4*feed.IdleLook); d.Message().Queue != q {
			t.Errorf("got %+v, want one of %s", d.Message(), q)
		}
	}
}

// An ack that finds its row locked, by whoever looks after the table, is tried again until it is not.
func TestAckOutlastsALock(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	b := open()
	publish(t, b, "q", "1")
	held := servertest.Next(t, consume(t, b, 1, "q"), time.Second)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "UPDATE taskbench_message SET handed = handed + 0 WHERE queue = 'q'"); err != nil {
		t.Fatal(err)
	}
	const length = 1700 * time.Millisecond // the server gives up after one second
	began := time.Now()
	time.AfterFunc(length, func() { _ = tx.Rollback() })
	if err := held.Ack(t.Context()); err != nil || time.Since(began) < length {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// Many who publish and claim at once get every message once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	const workers, each = 4, 300
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(chan string, workers*each)
	var readers, writers sync.WaitGroup
	own, stop := context.WithCancel(ctx)
	for w := range workers {
		b := open()
		c, err := b.Consume(own, []string{"a", "b"}, 10)
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for d := range c.Deliveries() {
				if err := d.Ack(ctx); err != nil {
					t.Error(err)
				}
				got <- d.Message().CorrelationID
			}
			if c.Err() != nil {
				t.Error(c.Err())
			}
		})
		writers.Go(func() {
			for i := range each {
				m := brokers.Message{Queue: []string{"a", "b"}[i%2], CorrelationID: fmt.Sprint(w, "-", i), Priority: uint8(i % 3)}
				if err := b.Publish(ctx, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]int{}
	for range workers * each {
		select {
		case id := <-got:
			seen[id]++
		case <-ctx.Done():
			t.Fatalf("%d of %d came", len(seen), workers*each)
		}
	}
	writers.Wait()
	stop()
	readers.Wait()
	if len(seen) != workers*each || len(got) > 0 {
		t.Errorf("%d messages of %d, and %d more deliveries", len(seen), workers*each, len(got))
	}
	var left int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM taskbench_message").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// A process that stood still for longer than its lease finds its row gone: what it held is another's.
func TestLapsedConsumerSettlesNothing(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	b := open()
	publish(t, b, "q", "1")
	c := consume(t, b, 1, "q")
	held := servertest.Next(t, c, time.Second)
	if _, err := db.ExecContext(t.Context(), "UPDATE taskbench_message SET owner = 0; DELETE FROM taskbench_consumer"); err != nil {
		t.Fatal(err)
	}
	other := consume(t, open(), 1, "q")
	again := servertest.Next(t, other, time.Second)
	if !again.Redelivered() || again.Message().CorrelationID != "1" {
		t.Errorf("got %+v, redelivered %v", again.Message(), again.Redelivered())
	}
	if err := held.Ack(t.Context()); !errors.Is(err, errLapsed) || !brokers.Definite(err) {
		t.Errorf("a late ack: %v", err)
	}
	select {
	case <-c.Deliveries():
	case <-time.After(2 * renewEvery):
	}
	if !errors.Is(c.Err(), errLapsed) {
		t.Errorf("the consumer that lapsed says %v", c.Err())
	}
	if err := again.Ack(t.Context()); err != nil {
		t.Errorf("the ack of whom it belongs to: %v", err)
	}
}

// Leases are the server's to measure: a consumer that lapsed by its clock is buried, and one that is renewed is not.
func TestOnlyLapsedConsumersAreBuried(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	b := open()
	publish(t, b, "q", "1")
	held := servertest.Next(t, consume(t, b, 1, "q"), time.Second)
	_, err := db.ExecContext(t.Context(), `INSERT INTO taskbench_consumer (id, name, until) VALUES (77, 'gone', UTC_TIMESTAMP(6) - INTERVAL 1 SECOND);
INSERT INTO taskbench_message (queue, urgency, envelope, handed, owner) VALUES ('r', 9, 'foreign', 1, 77)`)
	if err != nil {
		t.Fatal(err)
	}
	d := servertest.Next(t, consume(t, open(), 1, "r"), 3*renewEvery)
	if !d.Redelivered() || string(d.Message().Body) != "foreign" {
		t.Errorf("got %+v, redelivered %v", d.Message(), d.Redelivered())
	}
	if err := held.Ack(t.Context()); err != nil {
		t.Errorf("the ack of one whose lease is renewed: %v", err)
	}
}
