package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers"
)

const (
	exchangeBytes = 4 << 20 // written in one exchange, unless one message is larger
	exchangeCount = 500
)

// pack makes the whole document of a message to be published now.
func (b *broker) pack(m brokers.Message) (document, error) {
	d, err := b.layout.pack(m)
	if err == nil && d.size() > largest {
		err = brokers.Refusef("message of %d bytes is larger than %d, which is all that MongoDB stores as one", d.size(), largest)
	}
	d.ID = b.ids.next()
	return d, err
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	d, err := b.pack(m)
	if err == nil {
		err = b.publishes.Do(ctx, d, nil)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in mongodb: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return b.publishes.PublishAll(ctx, "mongodb", ms, b.pack)
}

// sendPublishes wakes the consumers of this process.
func (b *broker) sendPublishes(docs []document) []error {
	errs := store(b.link, b.layout.ready(), docs)
	b.link.wake(docs) // for those that could not be stored it is in vain
	return errs
}

// store inserts documents in exchanges of a bounded size, with one outcome for each.
func store(l *link, c *driver.Collection, docs []document) []error {
	errs := make([]error, 0, len(docs))
	for len(docs) > 0 {
		n, size := 0, 0
		for n < len(docs) && n < exchangeCount && (n == 0 || size+docs[n].size() <= exchangeBytes) {
			size += docs[n].size()
			n++
		}
		err := l.do(context.Background(), func(ctx context.Context) error { return insert(ctx, c, docs[:n]) })
		errs = append(errs, outcomes(err, n)...)
		docs = docs[n:]
	}
	return errs
}

// insert stores what can be stored of the documents.
func insert(ctx context.Context, c *driver.Collection, docs []document) error {
	_, err := c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	return err
}

// outcomes tells what the error of an insert says of each of n documents. Those that the server named were refused. An
// error without names says nothing of any, but where there was only one and the server itself said no.
func outcomes(err error, n int) []error {
	errs := make([]error, n)
	var many driver.BulkWriteException
	if !errors.As(err, &many) {
		if n == 1 && refused(err) {
			err = brokers.Refuse(err)
		}
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	if many.WriteConcernError != nil { // stored here, and nobody knows whether it stays
		for i := range errs {
			errs[i] = fmt.Errorf("stored, and not as durably as was asked for: %w", many.WriteConcernError)
		}
	}
	for _, w := range many.WriteErrors {
		if w.Index >= 0 && w.Index < n {
			errs[w.Index] = brokers.Refuse(w)
		}
	}
	return errs
}

// refused tells whether the server said no to what was asked, and not that it was interrupted.
func refused(err error) bool {
	var command driver.CommandError
	if !errors.As(err, &command) || driver.IsNetworkError(err) || driver.IsTimeout(err) {
		return false
	}
	return !slices.Contains(interruptions, command.Code)
}

// isDouble tells whether a document was not stored because it had been before.
func isDouble(err error) bool {
	var w driver.BulkWriteError
	return errors.As(err, &w) && w.Code == duplicateKey
}

// doubled tells which of the documents had been there before, by their places, and what else was wrong.
func doubled(err error) (places map[int]bool, rest error) {
	var many driver.BulkWriteException
	if !errors.As(err, &many) || many.WriteConcernError != nil {
		return nil, err
	}
	places = map[int]bool{}
	for _, w := range many.WriteErrors {
		if w.Code != duplicateKey {
			return nil, err
		}
		places[w.Index] = true
	}
	return places, nil
}
