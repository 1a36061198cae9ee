package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

const (
	inFlight    = 4096             // publishes without an outcome, on one connection
	confirmWait = 30 * time.Second // for a confirm, where the caller set no deadline
)

// A publisher sends on one channel in confirm mode, so that any number of publishes can be under way at once: the
// server confirms many by one frame.
type publisher struct {
	topology  *topology
	channel   *amqp.Channel
	transient bool
	slots     chan struct{}
	returns   chan amqp.Return // never full: it has room for all that are in flight
	next      atomic.Uint64
	lost      chan struct{}

	mu      sync.Mutex
	flights map[string]*flight
	opened  chan struct{} // closed while the server reads from us; replaced when it blocks
}

// A flight is one publish under way. It is found again by its message id when the server returns the message.
type flight struct {
	p        *publisher
	id       string
	queue    string
	confirm  *amqp.DeferredConfirmation
	returned string // why, and only after the confirm has been seen
}

func newPublisher(c *amqp.Connection, t *topology, transient bool) (*publisher, error) {
	ch, err := c.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	p := &publisher{
		topology: t, channel: ch, transient: transient,
		slots: make(chan struct{}, inFlight), returns: make(chan amqp.Return, inFlight), lost: make(chan struct{}),
		flights: map[string]*flight{}, opened: make(chan struct{}),
	}
	close(p.opened)
	ch.NotifyReturn(p.returns)
	go p.mind(c.NotifyBlocked(make(chan amqp.Blocking, 8)), ch.NotifyClose(make(chan *amqp.Error, 1)))
	return p, nil
}

// usable is false once the server has closed the channel for a mistake.
func (p *publisher) usable() bool { return !p.channel.IsClosed() }

// mind follows the alarms of the server, until the channel is closed.
func (p *publisher) mind(alarms <-chan amqp.Blocking, closed <-chan *amqp.Error) {
	defer close(p.lost)
	blocked := false
	for {
		select {
		case a, ok := <-alarms:
			if !ok {
				alarms = nil
				continue
			}
			p.mu.Lock()
			if a.Active && !blocked {
				p.opened = make(chan struct{})
			} else if !a.Active && blocked {
				close(p.opened)
			}
			blocked = a.Active
			p.mu.Unlock()
		case <-closed: //nolint:errcheck // the channel's own end is told by what is published on it
			return
		}
	}
}

// send puts a message on its way. Every error is Definite but one: that of a link that failed while it was written.
func (p *publisher) send(ctx context.Context, m brokers.Message) (*flight, error) {
	msg, err := outgoing(m, p.transient)
	if err != nil {
		return nil, err
	}
	if err := p.topology.declare(m.Queue); err != nil {
		return nil, err
	}
	if err := p.topology.births.wait(ctx, m.Queue); err != nil {
		return nil, err
	}
	return p.launch(ctx, "", m.Queue, true, msg)
}

// launch waits for the server to take messages and for a free slot. A mandatory message that nobody gets is returned.
func (p *publisher) launch(ctx context.Context, exchange, key string, mandatory bool, msg amqp.Publishing) (*flight, error) {
	p.mu.Lock()
	opened := p.opened
	p.mu.Unlock()
	select {
	case <-opened:
	case <-p.lost:
		return nil, brokers.Refuse(amqp.ErrClosed)
	case <-ctx.Done():
		return nil, brokers.Refusef("rabbitmq has blocked publishers, being short of memory or disk: %w; free space on its disk, or work off what waits there (rabbitmq-diagnostics alarms says which it is)", ctx.Err())
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, brokers.Refuse(ctx.Err())
	}
	f := &flight{p: p, id: strconv.FormatUint(p.next.Add(1), 36), queue: key}
	msg.MessageId = f.id
	p.mu.Lock()
	p.flights[f.id] = f
	p.mu.Unlock()
	var err error
	f.confirm, err = p.channel.PublishWithDeferredConfirm(exchange, key, mandatory, false, msg)
	if err != nil {
		f.land()
		if errors.Is(err, amqp.ErrClosed) {
			return nil, brokers.Refuse(err) // a part of the message at most was written
		}
		return nil, err
	}
	return f, nil
}

// wait returns the outcome.
func (f *flight) wait(ctx context.Context) error {
	patience := time.NewTimer(confirmWait)
	defer patience.Stop()
	select {
	case <-f.confirm.Done():
	case <-ctx.Done():
		go f.outlive()
		return fmt.Errorf("no confirm yet: %w", ctx.Err())
	case <-patience.C:
		go f.outlive()
		return fmt.Errorf("no confirm within %v", confirmWait)
	}
	why := f.land()
	switch {
	case why != "":
		f.p.topology.known.Delete(f.queue) // to be declared again
		return brokers.Refusef("the server returned the message: %s", why)
	case f.confirm.Acked():
		return nil
	case f.p.channel.IsClosed():
		return fmt.Errorf("the link was lost before the confirm: %w", amqp.ErrClosed)
	}
	return errors.New("the server could not take responsibility for the message")
}

// outlive keeps the slot of a flight that nobody waits for, which may still be returned.
func (f *flight) outlive() {
	<-f.confirm.Done()
	f.land()
}

// land gives up the slot, and tells why the message was returned, if it was. The server sends a return before the
// confirm, and the library has put it into the channel before it told of the confirm.
func (f *flight) land() string {
	p := f.p
	p.mu.Lock()
	for len(p.returns) > 0 {
		r, ok := <-p.returns
		if !ok {
			break
		}
		if other := p.flights[r.MessageId]; other != nil {
			other.returned = r.ReplyText
		}
	}
	delete(p.flights, f.id)
	why := f.returned
	p.mu.Unlock()
	<-p.slots
	return why
}
