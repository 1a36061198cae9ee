package sqlite

import (
	"fmt"
	"testing"
	"time"

	"taskbench/brokers"
)

// More than fit into one transaction become ready at the same time, in the order in which they were delayed.
func TestManyBecomeDueTogether(t *testing.T) {
	b := openAt(t, Driver.Server.URL(t.TempDir()), Driver.Variants[0])
	const many = ripenAtOnce + 10
	until := time.Now().Add(time.Hour).UnixMilli()
	err := b.out.do(t.Context(), func(s *statements) error {
		for i := range many {
			r, err := newRecord(brokers.Message{Queue: "q", CorrelationID: fmt.Sprint(i)})
			if err == nil {
				_, err = s.exec(`INSERT INTO delayed (due, queue, priority, envelope) VALUES (?, ?, ?, ?)`, until, r.queue, r.priority, r.envelope)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Consume(t.Context(), []string{"q"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ready, held, err := b.Depth(t.Context(), "q"); ready+held != 0 || err != nil {
		t.Fatalf("%d are ready and %d held before their time, %v", ready, held, err)
	}
	if err := b.out.do(t.Context(), func(s *statements) error { _, err := s.exec(`UPDATE delayed SET due = 0`); return err }, nil); err != nil {
		t.Fatal(err)
	}
	limit := time.After(30 * time.Second)
	for i := range many {
		select {
		case d := <-c.Deliveries():
			if got := d.Message().CorrelationID; got != fmt.Sprint(i) {
				t.Fatalf("message %s came at place %d", got, i)
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		case <-limit:
			t.Fatalf("only %d of %d messages came", i, many)
		}
	}
}

// A file from before there were delayed messages is brought up to date, and keeps what is in it.
func TestOldFileLearnsToDelay(t *testing.T) {
	url := Driver.Server.URL(t.TempDir())
	old, err := Driver.Open(t.Context(), url, Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Publish(t.Context(), brokers.Message{Queue: "q", CorrelationID: "kept"}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.(*broker).db.Exec(`DROP TABLE delayed; PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	b := openAt(t, url, Driver.Variants[0])
	if err := b.Delay(t.Context(), brokers.Message{Queue: "q"}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if ready, _, err := b.Depth(t.Context(), "q"); ready != 1 || err != nil {
		t.Errorf("%d messages are ready, %v; want the one from before", ready, err)
	}
}
