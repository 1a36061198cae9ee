package nats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

// waitingPulls is how many consumers may wait at one queue.
const waitingPulls = 8192

// A stream is one of ours: what it is called, and what goes into it.
type stream struct {
	name    string
	subject string
	keeps   bool // the last message of each subject, for whoever asks; else every message until it is acknowledged
}

func queueOf(name string) stream {
	return stream{name: queueStream + token(name), subject: queueSubject + token(name)}
}

var (
	delayedMessages = stream{name: delayedStream, subject: delayedSubject}
	allBindings     = stream{name: bindingsStream, subject: bindingSubject + "*.*.*", keeps: true}
)

func (s stream) config(storage jetstream.StorageType) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: s.name, Subjects: []string{s.subject}, Retention: jetstream.WorkQueuePolicy, Storage: storage, Replicas: 1,
		Discard: jetstream.DiscardNew, MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
	}
	if s.keeps {
		c.Retention, c.Discard, c.MaxMsgsPerSubject = jetstream.LimitsPolicy, jetstream.DiscardOld, 1
	}
	return c
}

// check says what is wrong with a stream that somebody else made, or nil. Limits are the owner's business as long as what
// does not fit is refused.
func (s stream) check(c jetstream.StreamConfig, storage jetstream.StorageType) error {
	want := s.config(storage)
	limited := c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxMsgsPerSubject > 0
	var what string
	switch {
	case c.Retention != want.Retention:
		what = fmt.Sprintf("its retention is %v and not %v", c.Retention, want.Retention)
	case !slices.Contains(c.Subjects, s.subject):
		what = fmt.Sprintf("it takes %q and not %s", c.Subjects, s.subject)
	case c.Storage != storage:
		what = fmt.Sprintf("its storage is %v and not %v", c.Storage, storage)
	case !s.keeps && c.MaxAge > 0:
		what = "it drops messages with age"
	case !s.keeps && limited && c.Discard != jetstream.DiscardNew:
		what = "it drops old messages when it is full"
	case c.Sealed || c.NoAck:
		what = "it is sealed, or does not acknowledge"
	default:
		return nil
	}
	return brokers.Refusef("stream %s is not as a queue has to be: %s; remove it, or use another account", s.name, what)
}

// declare makes a stream, and its consumer where that is wanted, unless this link knows that they are there.
func (b *broker) declare(ctx context.Context, l *link, s stream, consumed bool) (lease time.Duration, err error) {
	known, there := l.known.Load(s.name)
	if there && (known.(time.Duration) > 0 || !consumed) {
		return known.(time.Duration), nil
	}
	leave, err := l.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	if err := b.makeStream(ctx, l, s); err != nil {
		return 0, err
	}
	if consumed {
		if lease, err = b.makeConsumer(ctx, l, s); err != nil {
			return 0, err
		}
	}
	l.known.Store(s.name, lease)
	return lease, nil
}

// enter lets one at a time declare over a link.
func (l *link) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.declaring <- struct{}{}:
		return func() { <-l.declaring }, nil
	case <-ctx.Done():
		return nil, brokers.Refuse(ctx.Err())
	case <-l.dead:
		return nil, brokers.Refuse(l.why())
	}
}

func (b *broker) makeStream(ctx context.Context, l *link, s stream) error {
	var info struct {
		Config jetstream.StreamConfig `json:"config"`
	}
	err := l.api(ctx, "STREAM.INFO."+s.name, nil, &info)
	if isCode(err, codeStreamNotFound) {
		err = l.api(ctx, "STREAM.CREATE."+s.name, s.config(b.settings.storage), &info)
	}
	if err != nil {
		return fmt.Errorf("declare stream %s: %w", s.name, brokers.Refuse(err)) // no message was touched
	}
	return s.check(info.Config, b.settings.storage)
}

func (b *broker) makeConsumer(ctx context.Context, l *link, s stream) (time.Duration, error) {
	var info struct {
		Config jetstream.ConsumerConfig `json:"config"`
	}
	name := s.name + "." + consumerName
	err := l.api(ctx, "CONSUMER.INFO."+name, nil, &info)
	if isCode(err, codeConsumerNotFound) {
		request := struct {
			Stream string                   `json:"stream_name"`
			Config jetstream.ConsumerConfig `json:"config"`
		}{s.name, jetstream.ConsumerConfig{
			Durable: consumerName, Name: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease,
			MaxDeliver: -1, MaxAckPending: -1, MaxWaiting: waitingPulls,
		}}
		err = l.api(ctx, "CONSUMER.CREATE."+name, request, &info)
	}
	if err != nil {
		return 0, fmt.Errorf("declare consumer %s: %w", name, brokers.Refuse(err))
	}
	c := info.Config
	if c.AckPolicy != jetstream.AckExplicitPolicy || c.DeliverSubject != "" || c.FilterSubject != "" || c.MaxDeliver > 0 || c.AckWait < time.Second {
		return 0, brokers.Refusef("consumer %s is not as a queue's has to be: it must be pulled from, unfiltered, with explicit acks, "+
			"without max_deliver and with an ack_wait of a second or more; remove it", name)
	}
	return c.AckWait, nil
}
