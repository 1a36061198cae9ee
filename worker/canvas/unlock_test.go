package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

type refusing struct{}

func (refusing) Publish(context.Context, brokers.Message) error {
	return brokers.Refuse(errors.New("there is no connection"))
}

// The task that ends a chord is not used up by a broker that is away when the body is to be sent: it asks for another try,
// as does a composition that was sent as a task.
func TestWhatCannotBeSentIsTriedAgain(t *testing.T) {
	for name, state := range map[string]result.State{taskUnlock: result.Success, taskUnlock + " of a failure": result.Failure, taskGroup: ""} {
		w := newWorld()
		f := &Follower{Publisher: refusing{}, Results: plainResults{w.results}}
		task, b := name, message.Body{Kwargs: map[string]json.RawMessage{"tasks": json.RawMessage(`[{"task": "t", "args": [], "options": {"task_id": "a"}}]`)}}
		if state != "" {
			task = taskUnlock
			r := result.Record{TaskID: "0", State: state, Value: number(1)}
			if state == result.Failure {
				r.Value, r.Exception = nil, result.NewException(result.Builtins, "ValueError", "no")
			}
			if err := w.results.Store(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			body := Sig("t").Set(as("body")).LinkError(Sig("err").Set(as("err")))
			b = message.Body{Args: []json.RawMessage{quote("G"), body.append(nil)}, Kwargs: map[string]json.RawMessage{"result": json.RawMessage(`[[["0", null], null]]`)}}
		}
		_, err := Builtins(f)[task](context.Background(), &message.Task{ID: "u", Name: task}, b)
		var again *RetryError
		if !errors.As(err, &again) || again.Max >= 0 || again.After <= 0 {
			t.Errorf("%s: %v, want to be tried again", name, err)
		}
	}
}
