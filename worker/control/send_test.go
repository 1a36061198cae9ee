package control

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func commandMessage(body string) brokers.Message {
	return brokers.Message{ContentType: jsonType, Body: []byte(body)}
}

// Whoever names the nodes waits for the last of them only; whoever does not waits for the timeout.
func TestHowLongAnswersAreWaitedFor(t *testing.T) {
	slow := func(context.Context, map[string]json.RawMessage) (any, error) {
		<-time.After(300 * time.Millisecond)
		return "late", nil
	}
	for _, c := range []struct {
		q     Request
		who   string
		after time.Duration
	}{
		{Request{}, "a b", time.Second},
		{Request{Timeout: 100 * time.Millisecond}, "a", 100 * time.Millisecond},
		{Request{Destination: []string{"a"}}, "a", 0},
		{Request{Destination: []string{"a", "b"}}, "a b", 300 * time.Millisecond},
		{Request{Destination: []string{"c"}, Timeout: 2 * time.Second}, "", 2 * time.Second},
		{Request{Cast: true}, "", 0},
	} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.serve(&Node{Name: "a", Handlers: map[string]Handler{"ping": answers("now")}})
			r.serve(&Node{Name: "b", Handlers: map[string]Handler{"ping": slow}})
			c.q.Method = "ping"
			began := time.Now()
			if got := nodes(r.ask(c.q)); got != c.who || time.Since(began) != c.after {
				t.Errorf("%+v: %q after %v, want %q after %v", c.q, got, time.Since(began), c.who, c.after)
			}
		})
	}
}

// Answers to an earlier question, and what is none, are not taken for answers.
func TestOnlyAnswersCount(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		commands, err := r.x.Subscribe(t.Context(), brokers.Binding{Exchange: namespace("").commands()})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			q, err := decode(<-commands)
			if err != nil {
				t.Error(err)
				return
			}
			for _, a := range []struct{ ticket, body string }{
				{"another", `{"x": 1}`}, {q.Ticket, `nonsense`}, {q.Ticket, `[]`}, {q.Ticket, `{"y": {"ok": "pong"}}`}, {"", `{"z": 1}`},
			} {
				m := brokers.Message{Headers: map[string]any{"ticket": a.ticket}, Body: []byte(a.body)}
				if err := r.x.Route(t.Context(), namespace("").replies(), q.ReplyTo.RoutingKey, m); err != nil {
					t.Error(err)
				}
			}
		}()
		if got := nodes(r.ask(Request{Method: "ping"})); got != "y" {
			t.Errorf("answers of %q, want y", got)
		}
	})
}

func TestEndsKeepWhatWasAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.serve(&Node{Name: "a", Handlers: map[string]Handler{"ping": answers("now")}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		replies, err := Send(ctx, r.x, Request{Method: "ping", Timeout: time.Minute})
		if nodes(replies) != "a" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at the context's end: %s, %v", replies, err)
		}
		time.AfterFunc(time.Second, func() { _ = r.engine.Close() })
		replies, err = Send(t.Context(), r.x, Request{Method: "ping", Timeout: time.Minute})
		if nodes(replies) != "a" || err == nil {
			t.Errorf("at the connection's end: %s, %v", replies, err)
		}
	})
}

func TestQueueOfRepliesIsRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		watch := &watched{Exchanger: r.x}
		r.x = watch
		r.serve(&Node{Name: "a", Handlers: map[string]Handler{"ping": answers("now")}})
		r.ask(Request{Method: "ping", Destination: []string{"a"}})
		b := watch.last
		if b.Expires != 10*time.Second || b.TTL != 5*time.Minute || b.Queue != b.Key+".reply.celery.pidbox" || b.Exchange.Durable {
			t.Errorf("bound as %+v", b)
		}
		if err := r.x.Route(t.Context(), b.Exchange, b.Key, commandMessage("late")); err != nil {
			t.Fatal(err)
		}
		ready, _, err := r.engine.Broker().(brokers.Inspector).Depth(t.Context(), b.Queue)
		if err != nil || ready != 0 {
			t.Errorf("a late answer is kept: %d, %v", ready, err)
		}
	})
}

type watched struct {
	brokers.Exchanger
	last brokers.Binding
}

func (w *watched) Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	w.last = b
	return w.Exchanger.Subscribe(ctx, b)
}

func TestBadQuestionsAreNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, q := range []Request{
			{}, {Method: "x", Pattern: "(", Matcher: "pcre"}, {Method: "x", Pattern: "x", Matcher: "sql"},
			{Method: "x", Args: map[string]any{"f": func() {}}},
		} {
			if _, err := Send(t.Context(), r.x, q); !brokers.Definite(err) {
				t.Errorf("%+v: %v, want a Definite error", q, err)
			}
		}
	})
}

func TestMingle(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var learnt []string
		known := func() []string { return []string{"t1", "t2"} }
		r.serve(&Node{Name: "a", Handlers: Basics("a", clockAt(40), known, func(ids []string) { learnt = ids })})
		r.serve(&Node{Name: "b", Handlers: Basics("b", clockAt(70), func() []string { return []string{"t3"} }, nil)})
		mine := clockAt(0)
		newest := func(context.Context, map[string]json.RawMessage) (any, error) { // Celery 5.7 lists the ids, without times
			return map[string]any{"revoked": []string{"t4", "t1"}, "clock": 90}, nil
		}
		r.serve(&Node{Name: "c", Handlers: map[string]Handler{"hello": newest}})
		ids, err := Mingle(t.Context(), r.x, Request{Clock: mine}, "b", []string{"t9"})
		if err != nil || !slices.Equal(ids, []string{"t1", "t2", "t4"}) || !slices.Equal(learnt, []string{"t9"}) {
			t.Errorf("%v, %v; the other learnt %v", ids, err, learnt)
		}
		if mine.Value() < 91 {
			t.Errorf("the clock is at %d", mine.Value())
		}
	})
}
