package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
	"taskbench/worker/event"
)

// A Request is a command to nodes.
type Request struct {
	Method      string
	Args        map[string]any // what the method takes
	Destination []string       // nodes, by name; none: all that fit the pattern
	Pattern     string         // of node names; "": all
	Matcher     string         // of the pattern: "glob", which "" is too, or "pcre"
	Cast        bool           // nobody is to answer, and nobody waits
	Timeout     time.Duration  // how long answers are waited for; 0 is a second
	Namespace   string         // Celery's control_exchange; "" is celery
	Clock       *event.Clock   // told to the nodes, and adjusted by their answers; nil: none is kept
}

// Send gives a command to all nodes that it is for, and collects their answers by name: until the timeout, or until
// every node of Destination has answered. When no node answers, there are no replies and no error. An error of ctx or
// of the connection comes together with the replies until then. The queue of the replies is gone when it returns.
func Send(ctx context.Context, x brokers.Exchanger, r Request) (map[string]json.RawMessage, error) {
	q, err := newQuestion(r)
	if err != nil {
		return nil, err
	}
	if r.Cast {
		return nil, q.ask(ctx, x)
	}
	listening, leave := context.WithCancel(ctx)
	answers, err := x.Subscribe(listening, brokers.Binding{
		Exchange: q.names.replies(), Key: q.ReplyTo.RoutingKey, Queue: q.ReplyTo.RoutingKey + "." + q.names.replies().Name,
		Expires: queueExpires, TTL: queueTTL,
	})
	if err != nil {
		leave()
		return nil, fmt.Errorf("listen for answers to %s: %w", r.Method, err)
	}
	defer func() {
		leave()
		for range answers { // closed when the queue is gone
		}
	}()
	if err := q.ask(ctx, x); err != nil {
		return nil, err
	}
	return q.collect(ctx, answers)
}

// A question is a command with a ticket.
type question struct {
	request
	names   namespace
	clock   *event.Clock
	timeout time.Duration
}

func newQuestion(r Request) (question, error) {
	q := question{names: namespace(r.Namespace), clock: r.Clock, timeout: r.Timeout}
	if q.timeout <= 0 {
		q.timeout = time.Second
	}
	q.request = request{Method: r.Method, Destination: r.Destination, Arguments: map[string]json.RawMessage{}}
	if r.Method == "" {
		return q, brokers.Refusef("send a command: it names no method")
	}
	if r.Pattern != "" {
		matcher := r.Matcher
		if matcher == "" {
			matcher = "glob"
		}
		q.Pattern, q.Matcher = &r.Pattern, &matcher
		if _, err := q.isFor(""); err != nil {
			return q, brokers.Refusef("send %s: %w", r.Method, err)
		}
	}
	for name, value := range r.Args {
		raw, err := json.Marshal(value)
		if err != nil {
			return q, brokers.Refusef("send %s: argument %s: %w", r.Method, name, err)
		}
		q.Arguments[name] = raw
	}
	if !r.Cast {
		q.Ticket, q.ReplyTo = identity(), &address{q.names.replies().Name, identity()}
	}
	return q, nil
}

// ask sends the command.
func (q question) ask(ctx context.Context, x brokers.Exchanger) error {
	body, err := json.Marshal(q.request)
	if err != nil {
		return brokers.Refusef("send %s: %w", q.Method, err)
	}
	headers := map[string]any{"clock": int64(0), "expires": float64(time.Now().Add(q.timeout).UnixMicro()) / 1e6}
	if q.clock != nil {
		headers["clock"] = q.clock.Forward()
	}
	m := brokers.Message{Headers: headers, Body: body, ContentType: jsonType, ContentEncoding: "utf-8"}
	if err := x.Route(ctx, q.names.commands(), "", m); err != nil {
		return fmt.Errorf("send %s: %w", q.Method, err)
	}
	return nil
}

func (q question) collect(ctx context.Context, answers <-chan brokers.Message) (map[string]json.RawMessage, error) {
	replies := map[string]json.RawMessage{}
	t := time.NewTimer(q.timeout)
	defer t.Stop()
	for !q.answered(replies) {
		select {
		case m, open := <-answers:
			if !open {
				return replies, errors.Join(ctx.Err(), fmt.Errorf("wait for answers to %s: the connection is lost", q.Method))
			}
			if q.clock != nil {
				q.clock.Adjust(clockOf(m))
			}
			var said map[string]json.RawMessage
			if m.Headers["ticket"] != q.Ticket || json.Unmarshal(m.Body, &said) != nil {
				continue // an answer to another question, or none
			}
			for node, value := range said {
				replies[node] = value
			}
		case <-t.C:
			return replies, nil
		case <-ctx.Done():
			return replies, fmt.Errorf("wait for answers to %s: %w", q.Method, ctx.Err())
		}
	}
	return replies, nil
}

// answered tells whether all who were asked by name have answered.
func (q question) answered(replies map[string]json.RawMessage) bool {
	for _, node := range q.Destination {
		if _, there := replies[node]; !there {
			return false
		}
	}
	return len(q.Destination) > 0
}

// identity is a random UUID. It must differ between processes that know nothing of each other, so it comes from no seed.
func identity() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
