package couchdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-kivik/kivik/v4"

	"taskbench/brokers"
)

const (
	exchangeBytes = 4 << 20 // written in one exchange, unless one message is larger
	exchangeCount = 200
)

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	d, err := pack(b.ids.ready(m.Queue, m.Priority), m)
	if err == nil {
		err = b.writes.Do(ctx, d, nil)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in couchdb: %w", m.Queue, err)
	}
	return nil
}

// Delay implements brokers.Delayer. The message is where it will be consumed from at once, and passed over until the
// server's clock shows its time.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if !until.After(b.link.clock.read()) {
		return b.Publish(ctx, m)
	}
	d, err := pack(b.ids.delayed(m.Queue, m.Priority, b.link.clock.theirs(until)), m)
	if err == nil {
		err = b.writes.Do(ctx, d, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s in couchdb: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return b.writes.PublishAll(ctx, "couchdb", ms, func(m brokers.Message) (document, error) {
		return pack(b.ids.ready(m.Queue, m.Priority), m)
	})
}

// write stores new documents.
func (b *broker) write(docs []document) []error {
	_, errs := b.link.store(docs)
	return errs
}

// errConflict is of a write that came too late: the document had another revision by then, or was there already.
var errConflict = errors.New("the document has been changed meanwhile")

// store writes documents in exchanges of a bounded size, with a revision or an error for each.
func (l *link) store(docs []document) (revs []string, errs []error) {
	revs, errs = make([]string, len(docs)), make([]error, len(docs))
	for from := 0; from < len(docs); {
		to, size := from, 0
		for to < len(docs) && to-from < exchangeCount && (to == from || size+docs[to].size() <= exchangeBytes) {
			size += docs[to].size()
			to++
		}
		l.exchange(docs[from:to], revs[from:to], errs[from:to])
		from = to
	}
	return revs, errs
}

// exchange writes documents at once. Those that the server names were refused; where it says nothing of any, nobody knows.
func (l *link) exchange(docs []document, revs []string, errs []error) {
	var results []kivik.BulkResult
	err := l.do(context.Background(), func(ctx context.Context) (err error) {
		all := make([]any, len(docs))
		for i := range docs {
			docs[i].Stroke = l.strokes.next()
			all[i] = &docs[i]
		}
		results, err = l.messages.BulkDocs(ctx, all)
		return err
	})
	answers := make(map[string]kivik.BulkResult, len(results)) // PouchDB Server gives those of large exchanges in an order of its own
	for _, r := range results {
		answers[r.ID] = r
	}
	for i := range docs {
		r, answered := answers[docs[i].ID]
		switch {
		case err != nil:
			errs[i] = err
		case !answered:
			errs[i] = errors.New("the server's answer says nothing of the document")
		case kivik.HTTPStatus(r.Error) == http.StatusConflict:
			errs[i] = brokers.Refuse(errConflict)
		case r.Error != nil:
			errs[i] = brokers.Refusef("the server refuses the document: %w; %s", r.Error, adviceFor(http.StatusForbidden, l.database))
		default:
			revs[i] = r.Rev
		}
	}
}
