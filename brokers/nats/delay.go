package nats

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// What is delayed says where it is to go, and how long after it was stored: the server's clock says when that was.
const (
	headerQueue = "Taskbench-Queue"
	headerWait  = "Taskbench-Wait"
)

// Delay implements brokers.Delayer.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	wait := time.Until(until)
	if wait <= 0 {
		return b.Publish(ctx, m)
	}
	if err := b.delay(ctx, m, wait); err != nil {
		return fmt.Errorf("delay a message of %s in nats: %w", m.Queue, err)
	}
	return nil
}

func (b *broker) delay(ctx context.Context, m brokers.Message, wait time.Duration) error {
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
	header := client.Header{headerQueue: {token(m.Queue)}, headerWait: {strconv.FormatInt(wait.Milliseconds(), 10)}}
	return b.store(ctx, l, delayedMessages, delayedSubject, header, data)
}

// A clock tells the server's time, however wrong ours is.
type clock struct {
	server time.Time // what it said
	asked  time.Time // when, as we count time
}

func (c clock) now() time.Time { return c.server.Add(time.Since(c.asked)) }

// until is how long it takes until something is due that was stored at a moment of the server's.
func (c clock) until(stored time.Time, wait time.Duration) time.Duration {
	return stored.Add(wait).Sub(c.now())
}

// A mover puts what is due into its queue. Every broker that consumes has one, and the server shares the work among them:
// it hands out what is delayed like any message, is told to do so again when that is due, and does.
type mover struct {
	b     *broker
	link  *link
	tap   *tap
	clock clock
	in    chan *client.Msg
}

const (
	movedAtOnce = 64
	longestNak  = time.Hour // then it is looked at again
	retryAfter  = time.Second
)

// move starts a mover for a link that has none.
func (b *broker) move(ctx context.Context, l *link) error {
	b.mu.Lock()
	already := b.moving == l
	b.moving = l
	b.mu.Unlock()
	if already {
		return nil
	}
	m, err := b.newMover(ctx, l)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && b.closed {
		err = brokers.ErrClosed
	}
	if err != nil {
		b.moving = nil
		return err
	}
	b.tasks.Go(m.run)
	return nil
}

func (b *broker) newMover(ctx context.Context, l *link) (*mover, error) {
	if _, err := b.declare(ctx, l, delayedMessages, true); err != nil {
		return nil, err
	}
	m := &mover{b: b, link: l, in: make(chan *client.Msg, 2*movedAtOnce)} // never full: one pull brings fewer
	asked := time.Now()
	var info jetstream.ConsumerInfo
	if err := l.api(ctx, "CONSUMER.INFO."+delayedStream+"."+consumerName, nil, &info); err != nil {
		return nil, brokers.Refuse(err)
	}
	m.clock = clock{info.TimeStamp, asked}
	if info.TimeStamp.IsZero() { // a server older than 2.10 does not tell
		m.clock.server = asked
	}
	var err error
	m.tap, err = newTap(l, delayedMessages, func(got *client.Msg) { m.in <- got })
	return m, brokers.Refuse(err)
}

// run ends with the link.
func (m *mover) run() {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-m.link.dead:
			return
		case <-again.C:
		case first := <-m.in:
			if m.serve(first) {
				again.Reset(retryAfter) // not at once: the server would say the same
				continue
			}
		}
		if m.tap.left > 0 && time.Now().Before(m.tap.till) {
			continue
		}
		if !m.declared() {
			again.Reset(retryAfter)
			continue
		}
		if m.tap.pull(movedAtOnce, true) != nil {
			return // the link has ended
		}
		again.Reset(pullFor + 2*patience)
	}
}

// declared makes the stream and its consumer again where somebody removed them: a Delay, which may have made the stream,
// makes no consumer.
func (m *mover) declared() bool {
	ctx, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	_, err := m.b.declare(ctx, m.link, delayedMessages, true)
	return err == nil
}

// serve sees to a message and what came with it: what is due is moved together. It tells whether the pull was refused.
func (m *mover) serve(first *client.Msg) (refused bool) {
	due := make([]*client.Msg, 0, movedAtOnce)
	for got := first; ; got = <-m.in {
		status := m.tap.status(got)
		switch {
		case status == "" && m.isDue(got):
			due = append(due, got)
		case lost(status):
			refused = true
			m.link.known.Delete(delayedStream)
		case strings.HasPrefix(status, "409"):
			refused = true
		}
		if len(m.in) == 0 || len(due) == movedAtOnce {
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	for _, got := range due {
		m.deliver(ctx, got)
	}
	return refused
}

// isDue has what is not due come again when it is.
func (m *mover) isDue(got *client.Msg) bool {
	meta, err := got.Metadata()
	wait, notANumber := strconv.ParseInt(got.Header.Get(headerWait), 10, 64)
	if err != nil || notANumber != nil {
		return true // not ours: deliver says what becomes of it
	}
	left := m.clock.until(meta.Timestamp, time.Duration(wait)*time.Millisecond)
	if left <= time.Millisecond {
		return true
	}
	later(got, min(left, longestNak))
	return false
}

// later gives a delayed message back. Left unsaid, its lease brings it back, to be looked at again.
func later(got *client.Msg, after time.Duration) {
	_ = got.Respond(fmt.Appendf(nil, `-NAK {"delay": %d}`, after.Nanoseconds()))
}

// deliver stores a message in its queue and then removes it from where it waited. Should that fail, it is done again, and
// its id keeps the server from storing it twice.
func (m *mover) deliver(ctx context.Context, got *client.Msg) {
	queue, ok := untoken(got.Header.Get(headerQueue))
	meta, err := got.Metadata()
	if !ok || err != nil || strings.TrimSpace(got.Header.Get(headerQueue)) == "" {
		_ = got.Respond(term) // nobody knows where it belongs
		return
	}
	header := client.Header{"Nats-Msg-Id": {identity(meta)}}
	to := queueOf(queue)
	if err := m.b.store(ctx, m.link, to, to.subject, header, got.Data); err != nil {
		later(got, retryAfter)
		return
	}
	_ = got.Respond(ack)
}
