package client_test

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker/client"
	"taskbench/worker/message"
)

func TestSend(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	broker := engine.Broker()
	defer broker.Close()
	c := client.New(broker)
	id, err := c.Send(t.Context(), "add", []any{1, 2}, map[string]any{"k": "v"}, message.Options{Queue: "sums"})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("%q is not a random UUID", id)
	}
	if err := c.SendAs(t.Context(), "mine", "add", nil, nil, message.Options{Queue: "sums"}); err != nil {
		t.Fatal(err)
	}
	consumer, err := broker.Consume(t.Context(), []string{"sums"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{id, "mine"} {
		select {
		case d := <-consumer.Deliveries():
			task, err := message.Read(d.Message())
			if err != nil || task.ID != want || task.Name != "add" {
				t.Errorf("%+v (%v), want task add, id %s", task, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing came within 10 s")
		}
	}
}

func TestSendWhatCannotBeSent(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	broker := engine.Broker()
	c := client.New(broker)
	if _, err := c.Send(t.Context(), "add", []any{func() {}}, nil, message.Options{}); !brokers.Definite(err) {
		t.Errorf("%v, want a definite error: it was never sent", err)
	}
	broker.Close()
	if id, err := c.Send(t.Context(), "add", nil, nil, message.Options{}); !errors.Is(err, brokers.ErrClosed) || id == "" {
		t.Errorf("id %q, %v; want the id and that the broker is closed", id, err)
	}
}
