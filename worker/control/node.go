package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/worker/event"
)

const (
	backlog  = 1000            // commands that may wait to be carried out
	patience = 3 * time.Second // where a Node sets none

	queueExpires = 10 * time.Second // as Celery's defaults of control_queue_expires and control_queue_ttl
	queueTTL     = 300 * time.Second
)

// A Handler carries out one command. What it returns is marshalled with encoding/json and sent to whoever asked; an
// error is sent as the text of an exception (see Raise), and ErrNoReply as nothing. Its context ends after the node's
// Patience, and when the node stops.
type Handler func(ctx context.Context, args map[string]json.RawMessage) (any, error)

// A Node is a worker's mailbox. Its fields are set before Serve and not changed after.
type Node struct {
	Name      string // unique among all nodes: name@host
	Handlers  map[string]Handler
	Clock     *event.Clock  // adjusted by what is heard, and told in replies; nil: none is kept
	Log       *slog.Logger  // nil: slog.Default()
	Namespace string        // Celery's control_exchange; "" is celery
	Patience  time.Duration // of one handler, and of sending its answer; 0 is three seconds
	Ready     func()        // called by Serve once commands are heard; nil: nobody waits

	counts [5]atomic.Int64
	hung   sync.Map // method of a handler that was given up and has not returned
}

// Counts are how many commands a node has carried out, with an error among them those that failed; could not read;
// had no room for; and had to give up waiting for.
type Counts struct {
	Handled, Failed, Malformed, Dropped, Abandoned int64
}

const (
	handled = iota
	failed
	malformed
	dropped
	abandoned
)

// Counts tells what has happened since the node was made. It may be called at any time.
func (n *Node) Counts() Counts {
	return Counts{
		Handled: n.counts[handled].Load(), Failed: n.counts[failed].Load(), Malformed: n.counts[malformed].Load(),
		Dropped: n.counts[dropped].Load(), Abandoned: n.counts[abandoned].Load(),
	}
}

// Serve takes commands until ctx ends, which is nil, or until the connection is lost, which is an error; then it may be
// called again. It returns when the last command has been carried out; those still waiting when ctx ends are not.
func (n *Node) Serve(ctx context.Context, x brokers.Exchanger) error {
	commands, err := x.Subscribe(ctx, brokers.Binding{
		Exchange: namespace(n.Namespace).commands(), Queue: n.Name + "." + namespace(n.Namespace).commands().Name,
		Expires: queueExpires, TTL: queueTTL,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("open the mailbox of %s: %w", n.Name, err)
	}
	if n.Ready != nil {
		n.Ready()
	}
	work := make(chan request, backlog)
	var worker sync.WaitGroup
	worker.Go(func() {
		for r := range work {
			if ctx.Err() == nil {
				n.carryOut(ctx, x, r)
			}
		}
	})
	for m := range commands {
		n.take(m, work)
	}
	close(work)
	worker.Wait()
	if ctx.Err() == nil {
		return fmt.Errorf("listen at the mailbox of %s: the connection is lost", n.Name)
	}
	return nil
}

// take reads one command, and never waits.
func (n *Node) take(m brokers.Message, work chan<- request) {
	if n.Clock != nil {
		n.Clock.Adjust(clockOf(m))
	}
	r, err := decode(m)
	meant := false
	if err == nil {
		meant, err = r.isFor(n.Name)
	}
	if err != nil {
		n.counts[malformed].Add(1)
		n.log().Warn("remote control: a command cannot be read", "error", err, "begins", string(m.Body[:min(len(m.Body), 200)]))
		return
	}
	if !meant {
		return
	}
	select {
	case work <- r:
	default:
		n.counts[dropped].Add(1)
		n.log().Warn("remote control: too many commands wait, one is dropped", "method", r.Method)
	}
}

// carryOut handles a command and answers it.
func (n *Node) carryOut(ctx context.Context, x brokers.Exchanger, r request) {
	value, err := n.handle(ctx, r)
	n.counts[handled].Add(1)
	if errors.Is(err, ErrNoReply) {
		return
	}
	if err != nil {
		n.counts[failed].Add(1)
		n.log().Warn("remote control: a command failed", "method", r.Method, "error", err)
		value = failure(err)
	}
	if r.ReplyTo == nil {
		return
	}
	m, err := n.reply(r, value)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.patience())
		defer cancel()
		err = x.Route(ctx, brokers.Exchange{Name: r.ReplyTo.Exchange, Kind: brokers.Direct}, r.ReplyTo.RoutingKey, m)
	}
	if err != nil {
		n.log().Warn("remote control: an answer cannot be sent", "method", r.Method, "error", err)
	}
}

// handle waits for a handler no longer than the node's patience.
func (n *Node) handle(ctx context.Context, r request) (any, error) {
	handler := n.Handlers[r.Method]
	if handler == nil {
		return nil, Raise("KeyError", "%s", r.Method)
	}
	if _, hung := n.hung.LoadOrStore(r.Method, true); hung {
		return nil, Raise("TimeoutError", "%s is still busy with an earlier command", r.Method)
	}
	type outcome struct {
		value any
		err   error
	}
	done := make(chan outcome, 1)
	limited, cancel := context.WithTimeout(ctx, n.patience())
	go func() {
		defer cancel()
		value, err := guarded(limited, handler, r.Arguments)
		n.hung.Delete(r.Method) // before the next command can come
		done <- outcome{value, err}
	}()
	t := time.NewTimer(n.patience())
	defer t.Stop()
	select {
	case o := <-done:
		return o.value, o.err
	case <-t.C:
		n.counts[abandoned].Add(1)
		return nil, Raise("TimeoutError", "%s did not answer within %v", r.Method, n.patience())
	}
}

// guarded turns a handler's panic into its error.
func guarded(ctx context.Context, h Handler, args map[string]json.RawMessage) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Raise("RuntimeError", "panic: %v", p)
		}
	}()
	return h(ctx, args)
}

// reply is the message that answers a command.
func (n *Node) reply(r request, value any) (brokers.Message, error) {
	body, err := json.Marshal(map[string]any{n.Name: value})
	if err != nil {
		body, err = json.Marshal(map[string]any{n.Name: failure(err)})
	}
	headers := map[string]any{"ticket": r.Ticket, "clock": int64(0)}
	if n.Clock != nil {
		headers["clock"] = n.Clock.Forward()
	}
	return brokers.Message{Headers: headers, Body: body, ContentType: jsonType, ContentEncoding: "utf-8", Transient: true}, err
}

func (n *Node) patience() time.Duration {
	if n.Patience > 0 {
		return n.Patience
	}
	return patience
}

func (n *Node) log() *slog.Logger {
	if n.Log != nil {
		return n.Log
	}
	return slog.Default()
}
