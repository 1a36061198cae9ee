package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/servertest"
)

// block keeps everybody from the messages until release is called.
func block(t *testing.T, db *sql.DB) (release func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "LOCK TABLES taskbench_message WRITE"); err != nil {
		t.Fatal(err)
	}
	return func() { discard(conn) }
}

// stuck waits until a claim waits for what is blocked.
func stuck(t *testing.T, db *sql.DB) {
	t.Helper()
	err := servertest.Until(t.Context(), 5*time.Second, func() error {
		var n int
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SKIP LOCKED%' AND state LIKE 'Waiting%'").Scan(&n)
		if err == nil && n == 0 {
			err = fmt.Errorf("no claim waits")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever goes does not wait for a claim that does not come back.
func TestBlockedClaimHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b brokers.Broker, cancel context.CancelFunc){
		"close": func(b brokers.Broker, _ context.CancelFunc) { _ = b.Close() },
		"end":   func(_ brokers.Broker, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, db := launch(t)
			b := open()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, err := b.Consume(ctx, []string{"q"}, 1)
			if err != nil {
				t.Fatal(err)
			}
			release := block(t, db)
			defer release()
			if err := c.SetPrefetch(2); err != nil { // it looks at once what there is
				t.Fatal(err)
			}
			stuck(t, db)
			began := time.Now()
			end(b, cancel)
			select {
			case _, open := <-c.Deliveries():
				if open {
					t.Error("something came out of an empty queue")
				}
			case <-time.After(2 * patience):
			}
			if took := time.Since(began); took >= 2*patience {
				t.Errorf("it had not ended after %v", took)
			}
		})
	}
}

// What the server refuses for a moment, as it does while a table is being altered, ends no consumer.
func TestConsumerOutlastsARefusal(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	b := open()
	c := consume(t, b, 4, "q", "r")
	publish(t, b, "q", "1")
	if err := servertest.Next(t, c, time.Second).Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "RENAME TABLE "+from+" TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	rename("taskbench_message", "away")
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); !brokers.Definite(err) || !strings.Contains(err.Error(), "another shape") {
		t.Errorf("publish without a table: %v, want a Definite error that says what is wrong", err)
	}
	if err := c.SetPrefetch(5); err != nil { // a claim is refused now, and within this time a look and a renewal too
		t.Fatal(err)
	}
	select {
	case <-c.Deliveries():
		t.Fatalf("the consumer has ended: %v", c.Err())
	case <-time.After(renewEvery + feed.IdleLook):
	}
	rename("away", "taskbench_message")
	publish(t, b, "q", "2")
	if d := servertest.Next(t, c, 2*time.Second); d.Message().CorrelationID != "2" {
		t.Errorf("got %+v", d.Message())
	}
}

// expire stores so many messages that have expired.
func expire(t *testing.T, db *sql.DB, queue string, n int) {
	t.Helper()
	for part := range slices.Chunk(make([]string, n), 1000) {
		for i := range part {
			part[i] = "('" + queue + "', 9, '', UTC_TIMESTAMP(6) - INTERVAL 1 SECOND)"
		}
		if _, err := db.ExecContext(t.Context(), "INSERT INTO taskbench_message (queue, urgency, envelope, expires) VALUES "+strings.Join(part, ", ")); err != nil {
			t.Fatal(err)
		}
	}
}

// What has expired is nothing to claim: a consumer must neither be called for it nor leave it lying about.
func TestExpiredMessagesAreNoWork(t *testing.T) {
	t.Parallel()
	open, db := launch(t)
	b := open().(*broker)
	expire(t, db, "q", 3)
	publish(t, b, "r", "1")
	places, err := (&consumer{broker: b}).filled(t.Context(), []string{"q", "r"})
	if err != nil || !slices.Equal(places, []int64{1}) {
		t.Errorf("of q and r those at %v have something, %v; want r alone", places, err)
	}
	expire(t, db, "q", 5*atOnce)
	consume(t, b, 4, "q")
	err = servertest.Until(t.Context(), 2*renewEvery, func() error {
		ready, _, err := b.Depth(t.Context(), "q")
		if err == nil && ready > 0 {
			err = fmt.Errorf("%d messages that have expired are still there", ready)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
