package pool

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// What a task puts into an exception need not be JSON.
func TestUnsoundException(t *testing.T) {
	r := Result{Status: Failed, Err: errors.New("x"), Exception: &result.Exception{Type: "T", Args: []json.RawMessage{[]byte("{"), nil, []byte("1")}, Traceback: "\xff"}}
	frame := appendDone(nil, 0, r, true)
	_, _, rest, err := about(frame[4:])
	if err != nil {
		t.Fatal(err)
	}
	got, leaving, err := decodeDone(rest)
	if err != nil || !leaving || got.Exception == nil || len(got.Exception.Args) != 3 || string(got.Exception.Args[0]) != `"{"` || string(got.Exception.Args[2]) != "1" {
		t.Errorf("%+v, %v, %v", got.Exception, leaving, err)
	}
}

func FuzzDecodeFrames(f *testing.F) {
	j := Job{Task: message.Task{Message: brokers.Message{Queue: "q", Body: []byte("b"), Headers: map[string]any{"n": 1}}}, Soft: time.Second, Hard: math.MaxInt64}
	if err := j.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(j.frame[4:])
	f.Add(appendDone(nil, 1, Result{Status: OK, Value: []byte("[1]"), Err: errors.New("e"), Exception: result.NewException("m", "c", 1)}, true)[4:])
	f.Add(appendAnswer(nil, 2, brokers.Refusef("no"))[4:])
	f.Add(appendCancel(nil, 3, 4, causeHardLimit)[4:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, _, rest, err := about(payload)
		if err != nil {
			return
		}
		if j, _, err := decodeJob(rest); err == nil && len(j.Task.Message.Body) > len(payload) {
			t.Error("a body came out of nothing")
		}
		if r, _, err := decodeDone(rest); err == nil && len(r.Value) > len(payload) {
			t.Error("a value came out of nothing")
		}
		_ = decodeAnswer(rest)
		_, _, _ = decodeCancel(rest)
	})
}
