package couchdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kivik/kivik/v4"

	"taskbench/brokers"
)

const (
	exchangeBytes = 4 << 20 // written in one exchange, unless one message is larger
	exchangeCount = 500
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
	if !until.After(b.link.clock.now()) {
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
	errs := make([]error, len(ms))
	var places []int
	var docs []document
	for i, m := range ms {
		d, err := pack(b.ids.ready(m.Queue, m.Priority), m)
		if errs[i] = err; err == nil {
			places, docs = append(places, i), append(docs, d)
		}
	}
	for i, err := range b.writes.DoAll(ctx, docs) {
		errs[places[i]] = err
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("publish to %s in couchdb: %w", ms[i].Queue, err)
		}
	}
	return errs
}

// write stores new documents.
func (b *broker) write(docs []document) []error {
	_, errs := b.link.store(docs)
	return errs
}

// A loss is a write that came too late: the document had another revision by then, or was there already.
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
			all[i] = &docs[i]
		}
		results, err = l.messages.BulkDocs(ctx, all)
		return err
	})
	if err == nil && len(results) != len(docs) {
		err = fmt.Errorf("the server answers for %d of %d documents", len(results), len(docs))
	}
	for i := range docs {
		switch {
		case err != nil:
			errs[i] = err
		case results[i].ID != docs[i].ID:
			errs[i] = errors.New("the server's answer is about another document")
		case kivik.HTTPStatus(results[i].Error) == 409:
			errs[i] = brokers.Refuse(errConflict)
		case results[i].Error != nil:
			errs[i] = brokers.Refusef("the server refuses the document: %w; %s", results[i].Error, adviceFor(403, l.database))
		default:
			revs[i] = results[i].Rev
		}
	}
}
