package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker/client"
	"taskbench/worker/message"
	"taskbench/worker/result"
	results "taskbench/worker/result/memory"
	"taskbench/worker/result/rpc"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDelay(t *testing.T) {
	ctx := within(t)
	engine := memory.New()
	defer engine.Close()
	store := results.New(result.Options{})
	c := client.New(engine.Broker(), client.WithResults(store), client.WithRoute(func(task string, o message.Options) message.Options {
		o.Queue = "for." + task
		return o
	}))
	r, err := c.Delay(ctx, "add", 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := r.Ready(ctx); ready || err != nil {
		t.Errorf("ready %v, %v", ready, err)
	}
	consumer, err := engine.Broker().Consume(ctx, []string{"for.add"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	task, err := message.Read((<-consumer.Deliveries()).Message())
	if err != nil || task.ID != r.ID {
		t.Fatalf("%+v, %v", task, err)
	}
	got := make(chan error, 1)
	var sum int
	go func() { got <- r.Get(ctx, &sum) }()
	if err := store.Store(ctx, result.Record{TaskID: r.ID, State: result.Success, Value: json.RawMessage("3")}); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil || sum != 3 {
		t.Errorf("%d, %v", sum, err)
	}
	if state, err := c.Result(r.ID).State(ctx); state != result.Success || err != nil {
		t.Errorf("%s, %v", state, err)
	}
	if err := r.Get(ctx, new(string)); err == nil {
		t.Error("a number was decoded into a string")
	}
	if err := r.Get(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := r.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	if ready, err := r.Ready(ctx); ready || err != nil {
		t.Errorf("forgotten: ready %v, %v", ready, err)
	}
}

func TestGetRaisesWhatTheTaskRaised(t *testing.T) {
	ctx := within(t)
	store := results.New(result.Options{})
	c := client.New(nil, client.WithResults(store))
	for _, state := range []result.State{result.Failure, result.Revoked} {
		x := result.NewException("celery.exceptions", "TaskRevokedError", "terminated")
		if err := store.Store(ctx, result.Record{TaskID: string(state), State: state, Exception: x}); err != nil {
			t.Fatal(err)
		}
		var got *result.Exception
		if err := c.Result(string(state)).Get(ctx, nil); !errors.As(err, &got) || got.Type != x.Type {
			t.Errorf("%s: %v", state, err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Result("never").Get(short, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestChildren(t *testing.T) {
	ctx := within(t)
	store := results.New(result.Options{})
	c := client.New(nil, client.WithResults(store))
	children := []json.RawMessage{
		[]byte(`[["a", null], null]`),
		[]byte(`[["group", [["a", null], null]], [[["b", null], null], [["c", null], []], [["inner", null], [[["d", null], null]]]]]`),
		[]byte(`["e", null]`),
	}
	if err := store.Store(ctx, result.Record{TaskID: "t", State: result.Success, Children: children}); err != nil {
		t.Fatal(err)
	}
	all, err := c.Result("t").Children(ctx)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, r := range all {
		names += r.ID
	}
	if names != "abde" { // c is an empty group
		t.Errorf("children %s", names)
	}
	if err := store.Store(ctx, result.Record{TaskID: "odd", State: result.Success, Children: []json.RawMessage{[]byte(`[1]`)}}); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Result("odd").Children(ctx); err == nil {
		t.Errorf("%v", all)
	}
}

func TestResultsOverTheBroker(t *testing.T) {
	ctx := within(t)
	engine := memory.New()
	defer engine.Close()
	b := engine.Broker()
	defer b.Close()
	back, err := rpc.Open(ctx, result.Options{Broker: b})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	c := client.New(b, client.WithResults(back))
	if _, err := c.Apply(ctx, "quiet", nil, nil, message.Options{IgnoreResult: true, Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	r, err := c.Apply(ctx, "add", []any{1}, nil, message.Options{Queue: "q"})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := b.Consume(ctx, []string{"q"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if m := (<-consumer.Deliveries()).Message(); m.ReplyTo != "" {
		t.Errorf("a task without a result asks for it at %s", m.ReplyTo)
	}
	m := (<-consumer.Deliveries()).Message()
	worker, err := rpc.OpenSender(result.Options{Broker: b})
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Store(ctx, result.Record{TaskID: r.ID, State: result.Success, Value: json.RawMessage(`"yes"`), ReplyTo: m.ReplyTo, CorrelationID: m.CorrelationID}); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := r.Get(ctx, &got); err != nil || got != "yes" {
		t.Errorf("%q, %v", got, err)
	}
}

// lossy is a link that fails while it is written to.
type lossy struct{ err error }

func (l lossy) Publish(context.Context, brokers.Message) error { return l.err }

func TestApplyInDoubt(t *testing.T) {
	ctx := within(t)
	if r, err := client.New(lossy{errors.New("reset")}).Delay(ctx, "t"); r == nil || r.ID == "" || err == nil {
		t.Errorf("%v, %v: the task may be there", r, err)
	}
	if r, err := client.New(lossy{brokers.Refusef("no")}).Delay(ctx, "t"); r != nil || err == nil {
		t.Errorf("%v, %v: the task is not there", r, err)
	}
	r, err := client.New(lossy{}).Delay(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	_, stateErr := r.State(ctx)
	_, childErr := r.Children(ctx)
	for _, err := range []error{r.Get(ctx, nil), r.Forget(ctx), stateErr, childErr} {
		if !errors.Is(err, client.ErrNoResults) {
			t.Errorf("without a backend: %v", err)
		}
	}
}
