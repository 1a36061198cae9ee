package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/worker/event"
)

func TestAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.serve(&Node{Name: "w1@lab", Handlers: map[string]Handler{
			"ping": answers(OK("pong")),
			"list": answers([]string{}),
			"null": answers(nil),
			"nan":  answers(math.NaN()),
			"raise": func(context.Context, map[string]json.RawMessage) (any, error) {
				return nil, Raise("ValueError", "it's %d", 7)
			},
			"fail":  func(context.Context, map[string]json.RawMessage) (any, error) { return nil, errors.New("no") },
			"panic": func(context.Context, map[string]json.RawMessage) (any, error) { panic("boom") },
			"echo":  func(_ context.Context, args map[string]json.RawMessage) (any, error) { return args, nil },
		}})
		for method, want := range map[string]string{
			"ping":   `{"ok":"pong"}`,
			"list":   `[]`,
			"null":   `null`,
			"nan":    `{"error":"Exception('json: unsupported value: NaN')"}`,
			"nosuch": `{"error":"KeyError('nosuch')"}`,
			"raise":  `{"error":"ValueError(\"it's 7\")"}`,
			"fail":   `{"error":"Exception('no')"}`,
			"panic":  `{"error":"RuntimeError('panic: boom')"}`,
			"echo":   `{"n":1,"s":"größe"}`,
		} {
			replies := r.ask(Request{Method: method, Args: map[string]any{"n": 1, "s": "größe"}, Destination: []string{"w1@lab"}})
			if got := string(replies["w1@lab"]); got != want {
				t.Errorf("%s: %s, want %s", method, got, want)
			}
		}
	})
}

func TestWhoIsMeant(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, name := range []string{"red@one", "blue@one", "red@two"} {
			r.serve(&Node{Name: name, Handlers: map[string]Handler{"ping": answers(OK("pong"))}})
		}
		for want, q := range map[string]Request{
			"blue@one red@one red@two": {},
			"blue@one":                 {Destination: []string{"blue@one", "green@one"}},
			"red@one red@two":          {Pattern: "red@*"},
			"blue@one red@one":         {Pattern: `\w+@o`, Matcher: "pcre"},
			"":                         {Pattern: "@one", Matcher: "pcre"},
			"red@two":                  {Destination: []string{"red@two"}, Pattern: "blue*"}, // as Celery: names come first
		} {
			q.Method = "ping"
			if got := nodes(r.ask(q)); got != want {
				t.Errorf("%+v: answered by %q, want %q", q, got, want)
			}
		}
	})
}

func TestUnreadableCommandsHarmNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		n := &Node{Name: "w1@lab", Handlers: map[string]Handler{"ping": answers(OK("pong"))}}
		r.serve(n)
		bad := []string{
			"", "nonsense", "null", "[]", "7", `{}`, `{"method": 7}`, `{"method": "ping", "arguments": []}`,
			`{"method": "ping", "destination": {"a": 1}}`, `{"method": "ping", "destination": [1]}`,
			`{"method": "ping", "pattern": "(", "matcher": "pcre"}`, `{"method": "ping", "pattern": "x", "matcher": "sql"}`,
			`{"method": "ping", "reply_to": "me"}`, `{"method": "ping", "reply_to": {"routing_key": "k"}}`,
			strings.Repeat("[", 100_000), `{"method": "` + strings.Repeat("x", largest) + `"}`,
		}
		for _, body := range bad {
			r.broadcast(body)
		}
		synctest.Wait()
		if got := n.Counts().Malformed; got != int64(len(bad)) {
			t.Errorf("%d were counted, want %d\n%s", got, len(bad), r.log)
		}
		if logged := strings.Count(r.log.String(), "cannot be read"); logged != len(bad) {
			t.Errorf("%d were logged, want %d", logged, len(bad))
		}
		if len(r.log.String()) > 100_000 {
			t.Errorf("the log has %d bytes", len(r.log.String()))
		}
		if got := nodes(r.ask(Request{Method: "ping"})); got != "w1@lab" {
			t.Errorf("after that, %q answers", got)
		}
	})
}

func TestPickledCommandsAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		n := &Node{Name: "w1@lab", Handlers: map[string]Handler{"ping": answers(OK("pong"))}}
		r.serve(n)
		m := commandMessage(`{"method": "ping"}`)
		m.ContentType = "application/x-python-serialize"
		if err := r.x.Route(t.Context(), namespace("").commands(), "", m); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n.Counts() != (Counts{Malformed: 1}) || !strings.Contains(r.log.String(), "x-python-serialize") {
			t.Errorf("%+v, logged: %s", n.Counts(), r.log)
		}
	})
}

// A handler that hangs costs its own commands an answer, and those behind it the node's patience.
func TestHangingHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		cancelled := make(chan error, 1)
		n := &Node{Name: "w1@lab", Patience: 2 * time.Second, Handlers: map[string]Handler{
			"ping": answers(OK("pong")),
			"hang": func(ctx context.Context, _ map[string]json.RawMessage) (any, error) {
				<-ctx.Done()
				cancelled <- ctx.Err()
				<-release // deaf to its context
				return OK("late"), nil
			},
		}}
		r.serve(n)
		ask := func(method string) (string, time.Duration) {
			began := time.Now()
			replies := r.ask(Request{Method: method, Destination: []string{"w1@lab"}, Timeout: time.Minute})
			return string(replies["w1@lab"]), time.Since(began)
		}
		if got, took := ask("hang"); got != `{"error":"TimeoutError('hang did not answer within 2s')"}` || took != 2*time.Second {
			t.Errorf("%s after %v", got, took)
		}
		if err := <-cancelled; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handler's context ended with %v", err)
		}
		if got, took := ask("hang"); got != `{"error":"TimeoutError('hang is still busy with an earlier command')"}` || took != 0 {
			t.Errorf("again: %s after %v", got, took)
		}
		if got, took := ask("ping"); got != `{"ok":"pong"}` || took != 0 {
			t.Errorf("ping: %s after %v", got, took)
		}
		if c := n.Counts(); c != (Counts{Handled: 3, Failed: 2, Abandoned: 1}) {
			t.Errorf("%+v", c)
		}
		close(release)
		synctest.Wait()
		if got, _ := ask("hang"); !strings.Contains(got, "did not answer") {
			t.Errorf("once it has returned, the next is carried out again: %s", got)
		}
	})
}

// Commands are carried out in the order in which they came, also while one of them is slow, and none is refused for it.
func TestOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var seen []int
		r.serve(&Node{Name: "w1@lab", Handlers: map[string]Handler{
			"note": func(ctx context.Context, args map[string]json.RawMessage) (any, error) {
				i, err := Need[int](args, "i")
				if i == 0 {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
				}
				seen = append(seen, i)
				return nil, err
			},
			"seen": func(context.Context, map[string]json.RawMessage) (any, error) { return seen, nil },
		}})
		for i := range 20 {
			r.ask(Request{Method: "note", Args: map[string]any{"i": i}, Cast: true})
		}
		want := "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]"
		if got := r.ask(Request{Method: "seen", Destination: []string{"w1@lab"}, Timeout: 5 * time.Second})["w1@lab"]; string(got) != want {
			t.Errorf("%s", got)
		}
	})
}

func TestFloodIsDroppedAndCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		n := &Node{Name: "w1@lab", Patience: time.Hour, Handlers: map[string]Handler{
			"wait": func(context.Context, map[string]json.RawMessage) (any, error) { <-release; return nil, nil },
		}}
		r.serve(n)
		const beyond = 5
		for range 1 + backlog + beyond {
			r.broadcast(`{"method": "wait"}`)
			synctest.Wait()
		}
		if c := n.Counts(); c.Dropped != beyond {
			t.Errorf("%+v, want %d dropped", c, beyond)
		}
		close(release)
		synctest.Wait()
		if c := n.Counts(); c.Handled != 1+backlog || c.Failed != 0 {
			t.Errorf("%+v, want %d handled", c, 1+backlog)
		}
	})
}

// A node is told to stop by a command, which nobody answers; what waits behind it is not carried out any more.
func TestStop(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var stop func() error
		stopping := make(chan struct{})
		ran := false
		stop = r.serve(&Node{Name: "w1@lab", Handlers: map[string]Handler{
			"shutdown": func(ctx context.Context, _ map[string]json.RawMessage) (any, error) {
				close(stopping)
				<-ctx.Done()
				return nil, ErrNoReply
			},
			"ran": func(context.Context, map[string]json.RawMessage) (any, error) { ran = true; return nil, nil },
		}})
		r.broadcast(`{"method": "shutdown"}`)
		r.broadcast(`{"method": "ran"}`)
		<-stopping
		synctest.Wait()
		if err := stop(); err != nil || ran {
			t.Errorf("Serve returned %v; a command after the end ran: %v", err, ran)
		}
	})
}

func TestShutdownIsNotAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		n := &Node{Name: "w1@lab", Handlers: map[string]Handler{
			"shutdown": func(context.Context, map[string]json.RawMessage) (any, error) { return nil, ErrNoReply },
		}}
		r.serve(n)
		if replies := r.ask(Request{Method: "shutdown"}); len(replies) != 0 {
			t.Errorf("%s", replies)
		}
		if c := n.Counts(); c != (Counts{Handled: 1}) {
			t.Errorf("%+v", c)
		}
	})
}

func TestLostConnectionIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		n := &Node{Name: "w1@lab"}
		done := make(chan error, 1)
		go func() { done <- n.Serve(t.Context(), r.x) }()
		synctest.Wait()
		if err := r.engine.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "the connection is lost") {
			t.Errorf("Serve returned %v", err)
		}
		if err := n.Serve(t.Context(), r.x); err == nil {
			t.Error("Serve without a server returned nil")
		}
	})
}

func TestClocksFollowEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var node, client event.Clock
		node.Adjust(100)
		client.Adjust(500)
		r.serve(&Node{Name: "w1@lab", Clock: &node, Handlers: Basics("w1@lab", &node, nil, nil)})
		replies := r.ask(Request{Method: "clock", Destination: []string{"w1@lab"}, Clock: &client})
		if got, want := string(replies["w1@lab"]), `{"clock":503}`; got != want { // 501 ahead, 502 sent, 503 received
			t.Errorf("%s, want %s", got, want)
		}
		if client.Value() != 505 { // sent as 504
			t.Errorf("the client's clock is at %d", client.Value())
		}
	})
}

func nodes(replies map[string]json.RawMessage) string {
	var names []string
	for _, name := range sortedKeys(replies) {
		names = append(names, fmt.Sprint(name))
	}
	return strings.Join(names, " ")
}
