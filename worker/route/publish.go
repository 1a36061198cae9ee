package route

import (
	"cmp"
	"context"
	"strconv"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// A Publisher sends the messages of tasks by a table. It is safe for concurrent use when its broker is.
type Publisher struct {
	Broker interface {
		Publish(ctx context.Context, m brokers.Message) error
	}
	Table *Table // nil: every message goes to the queue that it names

	// Sent is told of what was sent, with the queue (of an exchange, the key) that it went to; nil: nobody wants to know.
	Sent func(task, to string)
}

// Publish sends a message to where the table has its task go. A message whose Queue is neither empty nor
// brokers.DefaultQueue was sent somewhere on purpose: the table is not asked. Errors are the broker's; one of the
// table's is brokers.Definite.
func (p Publisher) Publish(ctx context.Context, m brokers.Message) error {
	name, _ := m.Headers["task"].(string)
	to, err := p.send(ctx, name, m)
	if err == nil && p.Sent != nil {
		p.Sent(name, cmp.Or(to, brokers.DefaultQueue))
	}
	return err
}

func (p Publisher) send(ctx context.Context, name string, m brokers.Message) (sentTo string, err error) {
	if p.Table == nil || m.Queue != "" && m.Queue != brokers.DefaultQueue {
		return m.Queue, p.Broker.Publish(ctx, m)
	}
	to, fits, err := p.Table.Route(name, func(name string) (string, bool) { return lookUp(m, name) })
	switch {
	case err != nil:
		return "", brokers.Refuse(err)
	case !fits:
		return m.Queue, p.Broker.Publish(ctx, m)
	}
	if to.Priority != nil && m.Priority == 0 {
		m.Priority = *to.Priority
	}
	if to.Exchange.Name == "" {
		if to.Queue != "" {
			m.Queue = to.Queue
		}
		return m.Queue, p.Broker.Publish(ctx, m)
	}
	x, ok := p.Broker.(brokers.Exchanger)
	if !ok {
		return "", brokers.Refusef("route task %s to exchange %s: this broker has no exchanges; name a queue", name, to.Exchange.Name)
	}
	return to.Key, x.Route(ctx, to.Exchange, to.Key, m)
}

// lookUp finds a keyword argument that is a string or a whole number.
func lookUp(m brokers.Message, name string) (string, bool) {
	t, err := message.Read(m, m.ContentType)
	if err != nil {
		return "", false
	}
	body, err := t.Body()
	if err != nil {
		return "", false
	}
	v, err := message.Decode(body.Kwargs[name])
	if err != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}
