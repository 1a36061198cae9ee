package table

import (
	"context"
	"fmt"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
)

// exchangeBytes is how much one statement writes, unless one message is larger.
const exchangeBytes = 2 << 20

// A parcel is an encoded message on its way to a table.
type parcel struct {
	queue   string
	id      int64 // of the queue, once it is known
	payload []byte
	delayed bool
	wait    int64 // milliseconds
}

func (b *Broker) pack(m brokers.Message) (parcel, error) {
	payload, err := kombu.Encode(m, "", m.Queue)
	if err == nil {
		payload = kombu.ASCII(payload)
		err = b.base.fits(m.Queue, payload)
	}
	return parcel{queue: m.Queue, payload: payload}, err
}

// Publish implements brokers.Broker.
func (b *Broker) Publish(ctx context.Context, m brokers.Message) error {
	p, err := b.pack(m)
	if err == nil {
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in %s: %w", m.Queue, b.base.Name, err)
	}
	return nil
}

// Delay implements brokers.Delayer.
func (b *Broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	wait := time.Until(until)
	if wait <= 0 {
		return b.Publish(ctx, m)
	}
	p, err := b.pack(m)
	if err == nil {
		p.delayed, p.wait = true, max(wait.Milliseconds(), 1)
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s in %s: %w", m.Queue, b.base.Name, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher. Of the messages that can be encoded, those up to a bound share a commit.
func (b *Broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return b.writes.PublishAll(ctx, b.base.Name, ms, b.pack)
}

// write stores what waits, in statements of a bounded size for one table each: each stores all of its messages or none.
func (b *Broker) write(ps []parcel) []error {
	errs := make([]error, len(ps))
	var known []int // the places of those whose queue is known
	for i := range ps {
		ctx, cancel := bounded(context.Background(), 0)
		ids, err := b.number(ctx, []string{ps[i].queue})
		cancel()
		if errs[i] = err; err == nil {
			ps[i].id, known = ids[0], append(known, i)
		}
	}
	for len(known) > 0 {
		first, n, size := ps[known[0]], 0, 0
		for n < len(known) && n < atOnce && ps[known[n]].delayed == first.delayed && (n == 0 || size+len(ps[known[n]].payload) <= exchangeBytes) {
			size += len(ps[known[n]].payload)
			n++
		}
		err := b.store(ps, known[:n], size)
		for _, i := range known[:n] {
			errs[i] = err
		}
		known = known[n:]
	}
	return errs
}

func (b *Broker) store(ps []parcel, which []int, size int) error {
	d := b.base.Dialect
	into, row := `INSERT INTO kombu_message (visible, payload, version, queue_id) VALUES `, "(1, ?, 1, ?)"
	switch {
	case ps[which[0]].delayed:
		into, row = `INSERT INTO taskbench_kombu_delayed (payload, queue_id, due) VALUES `, "(?, ?, "+d.Clock+" + ?)"
	case d.MessageID != "":
		into, row = `INSERT INTO kombu_message (id, visible, payload, version, queue_id) VALUES `, "("+d.MessageID+", 1, ?, 1, ?)"
	}
	values := make([]any, 0, 3*len(which))
	queues := make([]int64, 0, len(which))
	for _, i := range which {
		p := ps[i]
		values, queues = append(values, string(p.payload), p.id), append(queues, p.id)
		if p.delayed {
			values = append(values, p.wait)
		}
	}
	ctx, cancel := bounded(context.Background(), size)
	defer cancel()
	_, err := b.exec(ctx, into+strings.Repeat(row+", ", len(which)-1)+row, values...)
	if err != nil {
		b.forget()
		return err
	}
	if !ps[which[0]].delayed {
		b.changed(queues...)
	}
	return nil
}
