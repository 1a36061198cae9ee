package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

const (
	largest       = 128 << 20 // bytes of one message; the server's own limit is lower, unless it is raised
	exchangeBytes = 2 << 20   // written in one exchange, unless one message is larger
	exchangeCount = 500
)

// A parcel is an encoded message on its way to a table.
type parcel struct {
	queue    string
	urgency  int
	envelope []byte
	life     any // microseconds; nil is for ever
	delayed  bool
	wait     int64 // microseconds
}

func pack(m brokers.Message) (parcel, error) {
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	switch {
	case err != nil:
		return parcel{}, err
	case len(m.Queue) > longest: // the server would refuse others of the same batch with it
		return parcel{}, brokers.Refusef("the name of the queue has %d bytes, and %d is the most", len(m.Queue), longest)
	case len(data) > largest:
		return parcel{}, brokers.Refusef("message of %d bytes is larger than %d", len(data), largest)
	}
	p := parcel{queue: m.Queue, urgency: 9 - int(min(m.Priority, 9)), envelope: data}
	if m.Expiration > 0 {
		p.life = max(m.Expiration.Microseconds(), 1)
	}
	return p, nil
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	p, err := pack(m)
	if err == nil {
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("publish to %s in mysql: %w", m.Queue, err)
	}
	return nil
}

// Delay implements brokers.Delayer.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	wait := time.Until(until)
	if wait <= 0 {
		return b.Publish(ctx, m)
	}
	p, err := pack(m)
	if err == nil {
		p.delayed, p.wait = true, wait.Microseconds()
		err = b.writes.Do(ctx, p, nil)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s in mysql: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher. Of the messages that can be encoded, those up to a bound share a commit.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return b.writes.PublishAll(ctx, "mysql", ms, pack)
}

// write stores what waits, in statements of a bounded size for one table each: each stores all of its messages or none.
func (b *broker) write(ps []parcel) []error {
	errs := make([]error, 0, len(ps))
	for len(ps) > 0 {
		n, size := 0, 0
		for n < len(ps) && n < exchangeCount && ps[n].delayed == ps[0].delayed && (n == 0 || size+len(ps[n].envelope) <= exchangeBytes) {
			size += len(ps[n].envelope)
			n++
		}
		err := b.store(ps[:n], size)
		for range n {
			errs = append(errs, err)
		}
		ps = ps[n:]
	}
	return errs
}

func (b *broker) store(ps []parcel, size int) error {
	const row, later = "(?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)", "(?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)"
	statement, values := "INSERT INTO taskbench_message (queue, urgency, envelope, expires) VALUES ", row
	if ps[0].delayed {
		statement, values = "INSERT INTO taskbench_delayed (queue, urgency, envelope, expires, due) VALUES ", later
	}
	args := make([]any, 0, 5*len(ps))
	for _, p := range ps {
		args = append(args, []byte(p.queue), p.urgency, p.envelope, p.life)
		if p.delayed {
			args = append(args, p.wait)
		}
	}
	statement += strings.Repeat(values+", ", len(ps)-1) + values
	ctx, cancel := bounded(size)
	defer cancel()
	err := b.with(ctx, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, statement, args...)
		return err
	})
	if err == nil && !ps[0].delayed {
		last := ""
		for _, p := range ps {
			if p.queue != last {
				last = p.queue
				b.changed(last)
			}
		}
	}
	return err
}
