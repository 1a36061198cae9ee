package nats

import (
	"context"
	"fmt"
	"strings"
	"sync"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
)

// waiting is how many messages a slow reader may leave waiting before more are dropped.
const waiting = 1000

// A listener is one subscription to an exchange: plain subscriptions of NATS, which nothing keeps.
type listener struct {
	link *link
	bind brokers.Binding
	subs []*client.Subscription

	mu   sync.Mutex
	out  chan brokers.Message
	over bool
}

// Subscribe implements brokers.Exchanger. The queue's messages by the exchange without a name come, too.
func (b *broker) Subscribe(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	out, err := b.listen(ctx, bind)
	if err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s in nats: %w", bind.Exchange.Name, err)
	}
	return out, nil
}

func (b *broker) listen(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	if bind.Queue == "" {
		if bind.Exchange.Kind == brokers.Direct {
			return nil, brokers.Refusef("no queue was named")
		}
		bind.Queue = bind.Exchange.Name + "." + client.NewInbox()
	}
	l, err := b.usable(ctx)
	if err != nil {
		return nil, err
	}
	subjects := []string{routeSubject(bind.Exchange.Name, bind.Key)}
	if bind.Exchange.Kind != brokers.Direct { // which of them fit is seen when they come
		subjects[0] = exchangeSubject + token(bind.Exchange.Name) + ".*"
	}
	if own := routeSubject("", bind.Queue); own != subjects[0] {
		subjects = append(subjects, own)
	}
	li := &listener{link: l, bind: bind, out: make(chan brokers.Message, waiting)}
	for _, subject := range subjects {
		sub, err := l.nc.Subscribe(subject, li.hear)
		if err != nil {
			li.end()
			return nil, brokers.Refuse(err)
		}
		li.subs = append(li.subs, sub)
	}
	if err := l.flush(ctx); err != nil {
		li.end()
		return nil, brokers.Refuse(err)
	}
	for _, subject := range subjects {
		if err := l.refusal(subject); err != nil {
			li.end()
			return nil, err
		}
	}
	go li.mind(ctx)
	return li.out, nil
}

// hear never waits for the reader of out.
func (li *listener) hear(m *client.Msg) {
	exchange, key, _ := strings.Cut(strings.TrimPrefix(m.Subject, exchangeSubject), ".")
	text, ok := untoken(key)
	if !ok || exchange == token(li.bind.Exchange.Name) && !li.bind.Exchange.Kind.Fits(li.bind.Key, text) {
		return
	}
	got := unpack(li.bind.Queue, m.Data)
	li.mu.Lock()
	defer li.mu.Unlock()
	if li.over {
		return
	}
	select {
	case li.out <- got:
	default:
	}
}

func (li *listener) mind(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-li.link.dead:
	}
	li.end()
}

// end closes the channel once the server has heard that nobody listens any more.
func (li *listener) end() {
	for _, sub := range li.subs {
		_ = sub.Unsubscribe() // fails where the link has ended
	}
	if len(li.subs) > 0 && li.link.alive() {
		_ = li.link.flush(context.Background())
	}
	li.mu.Lock()
	defer li.mu.Unlock()
	if !li.over {
		li.over = true
		close(li.out)
	}
}
