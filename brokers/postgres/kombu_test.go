package postgres

import (
	"encoding/json"
	"testing"
	"time"

	"taskbench/brokers/servertest"
)

// The rows are such as Celery 5.2 and 5.6 write and leave behind.
func TestKombuTables(t *testing.T) {
	servertest.Needed(t)
	at, conn := launch(t)
	v, err := Driver.Variant(kombuVariant)
	if err != nil {
		t.Fatal(err)
	}
	b := openAt(t, at, v)
	send(t, b, letter("celery", "1"))
	type columns struct {
		visible bool
		fetched *time.Time
		version int
		queue   string
		payload []byte
	}
	look := func() (c columns) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT visible, timestamp, version, name, payload FROM kombu_message JOIN kombu_queue ON kombu_queue.id = queue_id`).
			Scan(&c.visible, &c.fetched, &c.version, &c.queue, &c.payload); err != nil {
			t.Fatal(err)
		}
		return c
	}
	published := look()
	if !published.visible || published.fetched != nil || published.version != 1 || published.queue != "celery" {
		t.Errorf("published as %+v", published)
	}
	var envelope struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(published.payload, &envelope); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"delivery_tag", "delivery_info", "body_encoding", "correlation_id", "priority", "delivery_mode"} {
		if envelope.Properties[name] == nil {
			t.Errorf("the envelope has no %s", name)
		}
	}
	c := receive(t, b, "celery", 10)
	d := next(t, c)
	if fetched := look(); fetched.visible || fetched.fetched == nil || fetched.version != 2 {
		t.Errorf("fetched it is %+v", fetched)
	}
	if err := d.Nack(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if d = next(t, c); !d.Redelivered() {
		t.Error("what was given back does not say so")
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, `SELECT count(*)::int FROM kombu_message`); n != 0 {
		t.Errorf("%d rows are left after the ack", n)
	}
	// As Celery publishes: nobody is woken.
	do(t, conn, `INSERT INTO kombu_message (id, visible, payload, version, queue_id) SELECT nextval('message_id_sequence'), true,
		'{"body": "W10=", "content-type": "application/json", "content-encoding": "utf-8", "headers": {"task": "t", "id": "2"},
		"properties": {"correlation_id": "2", "delivery_info": {"exchange": "", "routing_key": "celery"}, "priority": 0,
		"body_encoding": "base64", "delivery_tag": "76fa302d-f290-4ee4-8880-123834e76331"}}', 1, id FROM kombu_queue WHERE name = 'celery'`)
	if m := next(t, c).Message(); m.CorrelationID != "2" || string(m.Body) != "[]" || m.Headers["task"] != "t" || m.Queue != "celery" {
		t.Errorf("got %+v", m)
	}
	// Closing gives back what is held, as kombu does.
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, `SELECT count(*)::int FROM kombu_message WHERE visible`); n != 1 {
		t.Errorf("%d messages are to be seen after the close, want the one that was held", n)
	}
}
