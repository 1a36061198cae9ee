package nats

import (
	"context"
	"errors"
	"fmt"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	if err := b.publish(ctx, m); err != nil {
		return fmt.Errorf("publish to %s in nats: %w", m.Queue, err)
	}
	return nil
}

func (b *broker) publish(ctx context.Context, m brokers.Message) error {
	data, err := envelope.Append(nil, m)
	if err != nil {
		return err
	}
	if err := fits(m.Queue); err != nil {
		return err
	}
	l, err := b.usable(ctx)
	if err != nil {
		return err
	}
	s := queueOf(m.Queue)
	return b.store(ctx, l, s, s.subject, nil, data)
}

// store returns when the message is in the stream, which is declared where it is not there.
func (b *broker) store(ctx context.Context, l *link, s stream, subject string, header client.Header, data []byte) error {
	for again := false; ; again = true {
		if _, err := b.declare(ctx, l, s, false); err != nil {
			return err
		}
		got, err := l.ask(ctx, subject, header, data)
		if errors.Is(err, errNobody) && !again { // somebody removed the stream
			l.known.Delete(s.name)
			continue
		}
		if err != nil {
			return err
		}
		return read(got, nil)
	}
}

// window is how many messages of a batch are on their way at a time, and windowBytes how large they may be together.
const (
	window      = 512
	windowBytes = 8 << 20
)

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	for from := 0; from < len(ms); {
		from = b.publishSome(ctx, ms, errs, from)
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("publish to %s in nats: %w", ms[i].Queue, err)
		}
	}
	return errs
}

// publishSome sends a window of the messages, from one of them on, and waits for its answers. It returns where to go on.
func (b *broker) publishSome(ctx context.Context, ms []brokers.Message, errs []error, from int) int {
	questions := make([]*question, 0, min(window, len(ms)-from))
	links := make([]*link, 0, cap(questions))
	size, i := 0, from
	for ; i < len(ms) && len(questions) < window && size < windowBytes; i++ {
		l, q, n, err := b.sendOne(ctx, ms[i])
		errs[i] = err
		questions, links, size = append(questions, q), append(links, l), size+n
	}
	for n, q := range questions {
		if q == nil {
			continue
		}
		got, err := links[n].await(ctx, q)
		if err == nil {
			err = read(got, nil)
		}
		if errors.Is(err, errNobody) { // somebody removed the stream
			err = b.publish(ctx, ms[from+n])
		}
		errs[from+n] = err
	}
	return i
}

func (b *broker) sendOne(ctx context.Context, m brokers.Message) (*link, *question, int, error) {
	data, err := envelope.Append(nil, m)
	if err == nil {
		err = fits(m.Queue)
	}
	if err != nil {
		return nil, nil, 0, err
	}
	l, err := b.usable(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	s := queueOf(m.Queue)
	if _, err := b.declare(ctx, l, s, false); err != nil {
		return nil, nil, 0, err
	}
	q, err := l.send(s.subject, nil, data)
	return l, q, len(data), err
}
