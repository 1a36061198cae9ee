package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

// leases are the variants whose messages are held under a lease.
func leases() []brokers.Variant {
	return slices.DeleteFunc(slices.Clone(Driver.Variants), func(v brokers.Variant) bool { return v.Name == kombuVariant })
}

// kombuAt opens a file as Celery's transport has it, and a pool that looks behind the broker's back.
func kombuAt(t *testing.T, url string) (brokers.Broker, *sql.DB) {
	t.Helper()
	v, err := Driver.Variant(kombuVariant)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	file, err := locate(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := connect(file, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = b.Close(), db.Close() })
	return b, db
}

type kombuRow struct {
	visible bool
	fetched sql.NullString
	version int
	queue   string
}

func rowsOf(t *testing.T, db *sql.DB) (all []kombuRow) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT visible, timestamp, version, name FROM kombu_message JOIN kombu_queue ON kombu_queue.id = queue_id ORDER BY kombu_message.id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r kombuRow
		if err := rows.Scan(&r.visible, &r.fetched, &r.version, &r.queue); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// A row looks at each step as kombu leaves it, until it is acknowledged and goes.
func TestKombuRows(t *testing.T) {
	url := "sqla+sqlite:///" + filepath.Join(t.TempDir(), "celery.db") // as Celery spells it
	b, db := kombuAt(t, url)
	for _, id := range []string{"1", "2", "3"} {
		if err := b.Publish(t.Context(), brokers.Message{Queue: "q", CorrelationID: id}); err != nil {
			t.Fatal(err)
		}
	}
	ready := kombuRow{visible: true, version: 1, queue: "q"}
	if got := rowsOf(t, db); !slices.Equal(got, []kombuRow{ready, ready, ready}) {
		t.Errorf("published as %+v", got)
	}
	c := consume(t, b, "q", 2)
	var written string
	acked, rejected := receive(t, c), receive(t, c)
	for i, r := range rowsOf(t, db)[:2] {
		if r.visible || !r.fetched.Valid || r.version != 2 {
			t.Errorf("row %d is fetched as %+v", i, r)
		}
	}
	// The driver takes a column of that type for a time, and an expression for what it is.
	if err := db.QueryRowContext(t.Context(), `SELECT timestamp || '' FROM kombu_message WHERE visible = 0`).Scan(&written); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse("2006-01-02 15:04:05.000000", written); err != nil || len(written) != 26 { // as Python reads and writes it
		t.Errorf("the time of the fetch is %q (%v)", written, err)
	}
	if err := acked.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rejected.Nack(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, c); d.Message().CorrelationID != "3" || d.Redelivered() {
		t.Errorf("got %+v", d.Message())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	dead := kombuRow{visible: true, version: 1, queue: brokers.DeadLetterQueue("q")}
	if got := rowsOf(t, db); !slices.Equal(got, []kombuRow{dead, {visible: true, version: 2, queue: "q"}}) {
		t.Errorf("after the close there are %+v, want the rejected one and what was held", got)
	}
}

// A Celery that purges its queue does not spare what is held; whoever holds it is not to stumble over that.
func TestKombuRowPurgedByOthers(t *testing.T) {
	b, db := kombuAt(t, Driver.Server.URL(t.TempDir()))
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, "q", 1)
	d := receive(t, c)
	if _, err := db.ExecContext(t.Context(), `DELETE FROM kombu_message`); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("the ack of what was purged: %v", err)
	}
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q", CorrelationID: "next"}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c).Message(); got.CorrelationID != "next" {
		t.Errorf("got %+v", got)
	}
}

// More than fit into one transaction become ready at the same time, in the order in which they were delayed.
func TestKombuManyBecomeDueTogether(t *testing.T) {
	b, db := kombuAt(t, Driver.Server.URL(t.TempDir()))
	const many = 1100
	until := time.Now().Add(time.Hour)
	if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q", CorrelationID: "first"}, until); err != nil {
		t.Fatal(err)
	}
	_, err := db.ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO taskbench_kombu_delayed (due, queue_id, payload) SELECT due + i, queue_id, replace(payload, '"first"', '"' || i || '"') FROM taskbench_kombu_delayed, n`, many-1)
	if err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, "q", 0)
	if _, err := db.ExecContext(t.Context(), `UPDATE taskbench_kombu_delayed SET due = due - 3600 * 1000 * 2`); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		want := fmt.Sprint(i)
		if i == 0 {
			want = "first"
		}
		d := receive(t, c)
		if got := d.Message().CorrelationID; got != want {
			t.Fatalf("message %s came at place %d", got, i)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be refused alone is refused before it is part of a batch.
func TestKombuRefuses(t *testing.T) {
	b, db := kombuAt(t, Driver.Server.URL(t.TempDir()))
	errs := b.(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{
		{Queue: "q"}, {Queue: strings.Repeat("q", 196)}, {Queue: "q\x00"}, {Queue: strings.Repeat("q", 195)},
	})
	for i, refused := range []bool{false, true, true, false} {
		if (errs[i] != nil) != refused || refused && !brokers.Definite(errs[i]) {
			t.Errorf("message %d of the batch: %v", i, errs[i])
		}
	}
	if got := rowsOf(t, db); len(got) != 2 {
		t.Errorf("%d rows are stored, want 2", len(got))
	}
	other := Driver.Server.URL(t.TempDir())
	file, err := locate(other)
	if err != nil {
		t.Fatal(err)
	}
	v := Driver.Variants[len(Driver.Variants)-1]
	bent, err := connect(file, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bent.Close()
	if _, err := bent.ExecContext(t.Context(), "CREATE TABLE kombu_message (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Driver.Open(t.Context(), other, v); !brokers.Definite(err) || !strings.Contains(err.Error(), "another shape") {
		t.Errorf("a table of another shape: %v", err)
	}
	for _, url := range []string{"sqla+sqlite:///relative.db", "sqla+sqlite://", "sqla+mysql:////x.db"} {
		if _, err := Driver.Open(t.Context(), url, v); !brokers.Definite(err) {
			t.Errorf("%s: open gives %v", url, err)
		}
	}
}
