package due

import (
	"testing"
	"time"

	"taskbench/brokers"
)

// Who delays a message, gets no answer and does so again must not have it come twice; two messages are two.
func TestNames(t *testing.T) {
	now := time.Now()
	m := brokers.Message{Queue: "q", CorrelationID: "1", Headers: map[string]any{"a": 1, "b": 2}, Body: []byte("x")}
	same := m
	same.Headers = map[string]any{"b": 2, "a": 1}
	if nameOf(m, now) != nameOf(same, now) {
		t.Error("the same message has two names")
	}
	for what, other := range map[string]brokers.Message{
		"queue": {Queue: "r", CorrelationID: "1", Headers: m.Headers, Body: m.Body},
		"id":    {Queue: "q", CorrelationID: "2", Headers: m.Headers, Body: m.Body},
		"body":  {Queue: "q", CorrelationID: "1", Headers: m.Headers, Body: []byte("y")},
	} {
		if nameOf(m, now) == nameOf(other, now) {
			t.Errorf("messages that differ in %s have one name", what)
		}
	}
	if nameOf(m, now) == nameOf(m, now.Add(time.Second)) {
		t.Error("the same message at another time, as in a retry, is taken for the first")
	}
	nameless := brokers.Message{Queue: "q"}
	if first, second := nameOf(nameless, now), nameOf(nameless, now); first == second {
		t.Error("messages without an id are taken for one")
	}
}
