// Package feed is the consumer half that drivers share: it hands the messages that a driver has at hand to whoever
// reads Deliveries, settles each once, and gives back unseen what nobody read when its context ends.
package feed

import (
	"context"
	"sync/atomic"

	"taskbench/brokers"
)

// An Outcome is what is to become of a message.
type Outcome uint8

// The outcomes. Unseen messages go back as if they had never been handed out.
const (
	Ack Outcome = 1 + iota
	Requeue
	Reject
	Unseen
)

// A Source is one subscription as its driver keeps it.
type Source interface {
	// Take appends the messages that are at hand to buf, without waiting. It is not called concurrently.
	Take(buf []Item) []Item

	// Settle carries out the outcome for one message. It is called once for each tag, or not at all.
	Settle(ctx context.Context, tag uint64, o Outcome) error

	// SetPrefetch changes the bound on messages taken and not settled.
	SetPrefetch(n int) error

	// End stops the taking. Messages that were taken and not handed out, by tag, go back Unseen. What was
	// handed out can still be settled.
	End(unseen []uint64)
}

// An Item is one message taken from a source. The tag names this taking of it.
type Item struct {
	Tag         uint64
	Message     brokers.Message
	Redelivered bool
	Deliveries  int // how often it was handed out, this time included, by the server's count; 0: it does not say
}

// Signals are how a source speaks to its consumer.
type Signals struct {
	Wake  <-chan struct{} // there may be something to take; needs a buffer of one
	Lost  <-chan struct{} // closed when no more will ever come
	Cause func() error    // asked after Lost was closed: what Err is to say
}

// Signal leaves a mark in a channel with a buffer of one, such as Signals.Wake, and does not wait: a mark that is there
// already says as much.
func Signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// window is how many deliveries wait in the channel for their reader: enough to keep a fast reader from waiting
// for every message, few enough to be given back quickly.
const window = 64

// A Consumer implements brokers.Consumer over a Source.
type Consumer struct {
	source  Source
	signals Signals
	out     chan brokers.Delivery
	err     atomic.Pointer[error]
}

// Consume starts handing out what source has. It ends, closing Deliveries, when ctx ends or the source is lost.
func Consume(ctx context.Context, source Source, s Signals) *Consumer {
	c := &Consumer{source: source, signals: s, out: make(chan brokers.Delivery, window)}
	go c.run(ctx)
	return c
}

// Deliveries implements brokers.Consumer.
func (c *Consumer) Deliveries() <-chan brokers.Delivery { return c.out }

// SetPrefetch implements brokers.Consumer.
func (c *Consumer) SetPrefetch(n int) error { return c.source.SetPrefetch(n) }

// Err implements brokers.Consumer.
func (c *Consumer) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *Consumer) run(ctx context.Context) {
	var items []Item
	for {
		clear(items) // the reader owns the messages now; keep none of them alive
		items = c.source.Take(items[:0])
		for i, item := range items {
			select {
			case c.out <- &delivery{source: c.source, item: item}:
			case <-ctx.Done():
				c.end(items[i:])
				return
			case <-c.signals.Lost:
				c.lose()
				return
			}
		}
		if len(items) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-c.signals.Wake:
		case <-ctx.Done():
			c.end(nil)
			return
		case <-c.signals.Lost:
			c.lose()
			return
		}
	}
}

// end gives back what is in the channel and what did not get that far. A reader may be taking from the channel at
// the same time; each delivery goes to one of the two.
func (c *Consumer) end(rest []Item) {
	unseen := c.drain()
	for _, item := range rest {
		unseen = append(unseen, item.Tag)
	}
	c.source.End(unseen)
	close(c.out)
}

// lose drops what is in the channel: its settling would fail, and the broker hands it out again.
func (c *Consumer) lose() {
	err := c.signals.Cause()
	c.err.Store(&err)
	c.drain()
	close(c.out)
}

func (c *Consumer) drain() (tags []uint64) {
	for {
		select {
		case d := <-c.out:
			tags = append(tags, d.(*delivery).item.Tag)
		default:
			return tags
		}
	}
}
