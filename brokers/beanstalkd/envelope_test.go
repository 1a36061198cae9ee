package beanstalkd

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"taskbench/brokers"
)

func whole() brokers.Message {
	return brokers.Message{
		Queue: "q",
		Headers: map[string]any{
			"id": "c5", "retries": int64(3), "eta": nil, "late": true, "rate": 2.5, "large": int64(math.MaxInt64),
			"larger": uint64(math.MaxUint64), "limits": []any{int64(-1), nil, "ü"}, "stamps": map[string]any{"deep": []any{int64(1)}},
		},
		Body:        []byte{0, 1, 255, '\r', '\n'},
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: "c5", ReplyTo: "r1",
		Priority: 9, Expiration: 1500 * time.Millisecond, Transient: true,
	}
}

func TestEnvelopeKeepsEveryField(t *testing.T) {
	for name, m := range map[string]brokers.Message{
		"whole":         whole(),
		"empty headers": {Queue: "q", Headers: map[string]any{}, Body: []byte{}},
		"no headers":    {Queue: "q", Body: []byte("x")},
	} {
		data, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode("q", data, 0); !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %#v\nwant %#v", name, got, m)
		}
	}
	if data, err := encode(brokers.Message{Headers: map[string]any{"x": math.Inf(1)}}); !brokers.Definite(err) {
		t.Errorf("encoded a header that JSON cannot hold: %s, %v", data, err)
	}
}

func TestForeignJobsArriveWhole(t *testing.T) {
	for _, job := range []string{"", "hello", `{"body": "aGk="}`, `{"taskbench": 2, "body": "aGk="}`, `{"taskbench": 1}`, `{"taskbench":1,"body":"aGk="} {}`, "[1]", "null"} {
		m := decode("q", []byte(job), 1<<31)
		if m.Queue != "q" || string(m.Body) != job || m.Headers != nil || m.Priority != 255 {
			t.Errorf("%q became %+v", job, m)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := encode(whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"taskbench":1,"body":"","headers":{"a":[1e400,{"b":-0}]}}`))
	f.Fuzz(func(t *testing.T, job []byte) {
		m := decode("q", job, 7)
		if _, err := unpack(job); err != nil {
			if !bytes.Equal(m.Body, job) {
				t.Errorf("the body of a foreign job became %q", m.Body)
			}
			return
		}
		if !json.Valid(job) {
			t.Errorf("what is no JSON was taken for an envelope: %+v", m)
		}
		again, err := encode(m)
		if err != nil {
			return // an infinite number
		}
		if got := decode("q", again, 7); !reflect.DeepEqual(got.Headers, m.Headers) || !bytes.Equal(got.Body, m.Body) {
			t.Errorf("%+v came back as %+v", m, got)
		}
	})
}
