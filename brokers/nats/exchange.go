package nats

import (
	"context"
	"fmt"
	"strings"
	"sync"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// A binding is a lasting queue that gets what is published to an exchange. On the server it is a subject that has a
// message: who routes hears of new ones as they are made.
type binding struct {
	exchange string
	kind     brokers.ExchangeKind
	key      string
	queue    string
}

func (b binding) subject() string {
	return bindingSubject + token(b.exchange) + "." + token(string(b.kind)+" "+b.key) + "." + token(b.queue)
}

func parseBinding(subject string) (b binding, ok bool) {
	parts := strings.Split(strings.TrimPrefix(subject, bindingSubject), ".")
	if len(parts) != 3 {
		return b, false
	}
	for i, part := range parts {
		if parts[i], ok = untoken(part); !ok {
			return b, false
		}
	}
	kind, key, ok := strings.Cut(parts[1], " ")
	return binding{parts[0], brokers.ExchangeKind(kind), key, parts[2]}, ok
}

// bindings are all that there are.
type bindings struct {
	mu  sync.Mutex
	all map[binding]bool
}

func (k *bindings) add(subject string) {
	if b, ok := parseBinding(subject); ok {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.all[b] = true
	}
}

// queues names each queue once that gets a message.
func (k *bindings) queues(e brokers.Exchange, key string) (queues []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := map[string]bool{}
	for b := range k.all {
		if b.exchange == e.Name && !seen[b.queue] && e.Kind.Fits(b.key, key) {
			seen[b.queue] = true
			queues = append(queues, b.queue)
		}
	}
	return queues
}

// bound returns the bindings, which are read once for a link.
func (l *link) bound(ctx context.Context) (*bindings, error) {
	leave, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if l.bindings != nil {
		return l.bindings, nil
	}
	k := &bindings{all: map[binding]bool{}}
	if _, err := l.nc.Subscribe(allBindings.subject, func(m *client.Msg) { k.add(m.Subject) }); err != nil {
		return nil, brokers.Refuse(err)
	}
	if err := l.flush(ctx); err != nil {
		return nil, brokers.Refuse(err)
	}
	if err := l.refusal(allBindings.subject); err != nil {
		return nil, err
	}
	var info jetstream.StreamInfo
	for seen := -1; len(info.State.Subjects) > 0 || seen < 0; { // the server tells so many at a time
		seen = max(seen, 0)
		request := map[string]any{"subjects_filter": ">", "offset": seen}
		info = jetstream.StreamInfo{}
		if err := l.api(ctx, "STREAM.INFO."+bindingsStream, request, &info); err != nil && !isCode(err, codeStreamNotFound) {
			return nil, brokers.Refuse(err)
		}
		for subject := range info.State.Subjects {
			k.add(subject)
		}
		seen += len(info.State.Subjects)
	}
	l.bindings = k
	return k, nil
}

// Bind implements brokers.Exchanger.
func (b *broker) Bind(ctx context.Context, bind brokers.Binding) error {
	if err := b.bind(ctx, bind); err != nil {
		return fmt.Errorf("bind queue %s to exchange %s in nats: %w", bind.Queue, bind.Exchange.Name, err)
	}
	return nil
}

func (b *broker) bind(ctx context.Context, bind brokers.Binding) error {
	if err := fits(bind.Queue); err != nil {
		return err
	}
	l, err := b.usable(ctx)
	if err != nil {
		return err
	}
	known, err := l.bound(ctx)
	if err != nil {
		return err
	}
	if _, err := b.declare(ctx, l, queueOf(bind.Queue), false); err != nil {
		return err
	}
	subject := binding{bind.Exchange.Name, bind.Exchange.Kind, bind.Key, bind.Queue}.subject()
	if err := b.store(ctx, l, allBindings, subject, nil, nil); err != nil {
		return err
	}
	known.add(subject)
	return nil
}

// routeSubject is where those listen who are bound for as long as they live.
func routeSubject(exchange, key string) string {
	return exchangeSubject + token(exchange) + "." + token(key)
}

// Route implements brokers.Exchanger. Each lasting queue gets the message by itself: after an error some may have it.
func (b *broker) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	if err := b.route(ctx, e, key, m); err != nil {
		return fmt.Errorf("route to exchange %s in nats: %w", e.Name, err)
	}
	return nil
}

func (b *broker) route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	data, err := envelope.Append(nil, m)
	if err != nil {
		return err
	}
	l, err := b.usable(ctx)
	if err != nil {
		return err
	}
	var queues []string
	if e.Name != "" {
		known, err := l.bound(ctx)
		if err != nil {
			return err
		}
		queues = known.queues(e, key)
	} else if err := b.routeByName(ctx, l, key, data); err != nil {
		return err
	}
	stored := false
	for _, q := range queues {
		s := queueOf(q)
		if err := b.store(ctx, l, s, s.subject, nil, data); err != nil {
			if stored {
				return fmt.Errorf("some queues have it, and %s: %s", q, err) //nolint:errorlint // that it was refused there does not make it Definite
			}
			return err
		}
		stored = true
	}
	if err := l.nc.Publish(routeSubject(e.Name, key), data); err != nil {
		if stored {
			return err
		}
		return brokers.Refuse(err)
	}
	return l.flush(ctx)
}

// routeByName serves the exchange without a name, which has every queue that there is under its own name.
func (b *broker) routeByName(ctx context.Context, l *link, queue string, data []byte) error {
	if err := fits(queue); err != nil {
		return err
	}
	s := queueOf(queue)
	var info struct{}
	err := l.api(ctx, "STREAM.INFO."+s.name, nil, &info)
	switch {
	case isCode(err, codeStreamNotFound):
		return nil
	case err != nil:
		return brokers.Refuse(err)
	}
	return b.store(ctx, l, s, s.subject, nil, data)
}
