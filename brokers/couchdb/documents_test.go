package couchdb

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// More messages than are known at once come all, in order, and an urgent one that is published last comes soon.
func testLongQueue(t *testing.T, at string) {
	b := connect(t, at)
	const n = stock + 300
	publish(t, b, n)
	c := consume(t, b, 100)
	for i := range n {
		d := servertest.Next(t, c, soon)
		if got := d.Message().CorrelationID; got != fmt.Sprint(i) {
			t.Fatalf("message %s came, want %d", got, i)
		}
		go func() { _ = d.Ack(t.Context()) }() // many at once; what is not acknowledged would come again
		if i == 10 {
			m := letter(-1)
			m.Queue, m.Priority = "other", 9
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := servertest.Until(t.Context(), soon, func() error {
		if ready, unacked, err := b.Depth(t.Context(), "q"); ready+unacked != 0 || err != nil {
			return fmt.Errorf("%d ready, %d unacked, %w", ready, unacked, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func testForeignDocuments(t *testing.T, at string) {
	b := connect(t, at)
	for id, doc := range map[string]any{
		"invoice-7": map[string]any{"total": 7}, "q/q": map[string]any{"total": 8}, of("q") + "5/x": map[string]any{"text": "hallo"},
	} {
		if _, err := b.link.messages.Put(t.Context(), id, doc); err != nil {
			t.Fatal(err)
		}
	}
	if ready, unacked, err := b.Depth(t.Context(), "q"); ready != 1 || unacked != 0 || err != nil {
		t.Errorf("%d ready, %d unacked, %v, want the one that is in the queue", ready, unacked, err)
	}
	c := consume(t, b, 5)
	d := servertest.Next(t, c, soon)
	if m := d.Message(); !strings.Contains(string(m.Body), `"hallo"`) || m.Queue != "q" || m.Headers != nil {
		t.Errorf("got %+v", m)
	}
	if err := d.Nack(t.Context(), false); err != nil {
		t.Error(err)
	}
	servertest.Quiet(t, c, time.Second)
	if n, err := b.Purge(t.Context(), "q"); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	var kept struct {
		Total int `json:"total"`
	}
	if err := b.link.messages.Get(t.Context(), "invoice-7").ScanDoc(&kept); err != nil || kept.Total != 7 {
		t.Errorf("the document of somebody else is %+v, %v", kept, err)
	}
}

// A database may have rules of its own.
func testReadOnly(t *testing.T, at string) {
	b := connect(t, at)
	_, err := b.link.messages.Put(t.Context(), "_design/no", map[string]any{
		"validate_doc_update": `function (doc) { if (doc.envelope) throw {forbidden: "this is a replica"} }`,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Publish(t.Context(), letter(1))
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "publish to q in couchdb") || !strings.Contains(err.Error(), "may read and write") {
		t.Errorf("publish: %v", err)
	}
	if ready, _, err := b.Depth(t.Context(), "q"); ready != 0 || err != nil {
		t.Errorf("%d messages are ready, %v", ready, err)
	}
}

func testDatabaseDeleted(t *testing.T, at string) {
	b := connect(t, at)
	if err := b.link.client.DestroyDB(t.Context(), database(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), letter(1)); !brokers.Definite(err) || !strings.Contains(err.Error(), "deleted one since") {
		t.Errorf("publish: %v", err)
	}
	publish(t, connect(t, at), 1) // which makes it again
}

func testCompaction(t *testing.T, at string) {
	b := connect(t, at)
	if b.link.product.PouchDB == "" {
		if b.link.tidy(1); b.link.settled.Load() != 0 {
			t.Error("what CouchDB compacts by itself is counted")
		}
		return
	}
	publish(t, b, 20)
	if n, err := b.Purge(t.Context(), "q"); n != 20 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	b.link.tidy(litter)
	if err := servertest.Until(t.Context(), soon, func() error {
		if b.link.busy.Load() || b.link.settled.Load() != 0 {
			return errors.New("it is still at it")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(b.link.base + database(t) + "/_local/compaction")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("it left no trace: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}
