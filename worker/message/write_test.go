package message

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

func TestNewCanBeRead(t *testing.T) {
	args := []any{1, int64(-2), 1.5, "plain", "quo\"te\n☃", true, nil, []any{"x"}, map[string]any{"k": 1}}
	kwargs := map[string]any{"name": "väl", "n": 3}
	for _, compress := range []Compression{"", Gzip, Zstd} {
		m, err := New("some.task", "some-id", args, kwargs, Options{Compress: compress})
		if err != nil {
			t.Fatal(err)
		}
		if m.Queue != brokers.DefaultQueue || m.CorrelationID != "some-id" {
			t.Errorf("message %+v", m)
		}
		got, err := Read(m)
		if err != nil {
			t.Fatal(err)
		}
		body, err := got.Body()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(args)
		have, _ := json.Marshal(body.Args)
		if string(want) != string(have) {
			t.Errorf("arguments %s, want %s", have, want)
		}
		want, _ = json.Marshal(kwargs)
		have, _ = json.Marshal(body.Kwargs)
		if string(want) != string(have) {
			t.Errorf("keyword arguments %s, want %s", have, want)
		}
	}
}

func TestNewOfAWorkflow(t *testing.T) {
	embed := json.RawMessage(` {"callbacks": [{"task": "t", "args": [NaN]}], "chain": null} `)
	index := 0
	m, err := New("t", "id", []any{1}, nil, Options{
		Embed: embed, IgnoreResult: true, Shadow: "name", GroupID: "g", GroupIndex: &index, Stamps: map[string]any{"b": 1, "a": []any{"x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"ignore_result": true, "shadow": "name", "group": "g", "group_index": 0,
		"stamped_headers": []any{"a", "b"}, "stamps": map[string]any{"b": 1, "a": []any{"x"}},
	}
	for name, v := range want {
		if !reflect.DeepEqual(m.Headers[name], v) {
			t.Errorf("header %s is %v, want %v", name, m.Headers[name], v)
		}
	}
	task, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	body, err := task.Body()
	if err != nil || string(body.Embed) != strings.TrimSpace(string(embed)) {
		t.Errorf("embedded %s (%v)", body.Embed, err)
	}
	for _, bad := range []string{"", "[]", "{", "{} x", "null"} {
		if _, err := New("t", "id", nil, nil, Options{Embed: json.RawMessage(bad)}); err == nil {
			t.Errorf("%q was embedded", bad)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, v := range []any{
		func() {}, map[string]any{"__type__": "x", "__value__": 1}, []any{map[string]any{"a": map[string]any{"__type__": 1, "__value__": 1}}},
	} {
		if _, err := New("t", "id", []any{v}, nil, Options{}); err == nil {
			t.Errorf("%#v was taken", v)
		}
		if _, err := New("t", "id", nil, map[string]any{"v": v}, Options{}); err == nil {
			t.Errorf("%#v was taken as a keyword argument", v)
		}
	}
	for _, v := range []any{"__type__ and __value__", map[string]any{"__type__": "x"}, map[string]any{"__type__": 1, "__value__": 1, "more": 1}} {
		if _, err := New("t", "id", []any{v}, nil, Options{}); err != nil {
			t.Errorf("%#v was refused: %v", v, err)
		}
	}
}

func TestRetryKeepsEverythingElse(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, file := range []string{"options-56", "stamped-56", "group-56", "compress-gzip-52", "chain-56"} {
		m := captured(t, file)[0]
		task, err := Read(m)
		if err != nil {
			t.Fatal(err)
		}
		again := task.Retry(at)
		if again.Headers["retries"] != 1 || again.Headers["parent_id"] != task.ID || again.Headers["eta"] != "2030-01-01T00:00:00+00:00" {
			t.Errorf("%s: headers %v", file, again.Headers)
		}
		for name, v := range m.Headers {
			switch name {
			case "retries", "parent_id", "eta":
			default:
				if !reflect.DeepEqual(again.Headers[name], v) {
					t.Errorf("%s: header %s became %v, was %v", file, name, again.Headers[name], v)
				}
			}
		}
		if m.Headers["retries"] != 0.0 {
			t.Errorf("%s: the message of this try was changed", file)
		}
		again.Headers, m.Headers, again.Expiration = nil, nil, 0
		if !reflect.DeepEqual(again, m) {
			t.Errorf("%s: became %+v, was %+v", file, again, m)
		}
	}
}

// Whoever follows a task's parents upwards finds the task that sent it, however often it was retried.
func TestRetryKeepsTheParent(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	parent := func(t *testing.T, m brokers.Message) any {
		t.Helper()
		for range 2 { // the first makes what the second finds
			task, err := Read(m)
			if err != nil {
				t.Fatal(err)
			}
			m = task.Retry(at)
		}
		return m.Headers["parent_id"]
	}
	for name, c := range map[string]struct{ was, want any }{
		"none":  {nil, "x"},
		"empty": {"", "x"},
		"some":  {"p", "p"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parent(t, crafted(good, header("parent_id", c.was))); got != c.want {
				t.Errorf("parent %v, want %v", got, c.want)
			}
		})
	}
	t.Run("protocol 1", func(t *testing.T) {
		m := crafted(`{"task": "lab.add", "id": "x", "args": []}`, bare)
		if got := parent(t, m); got != "x" {
			t.Errorf("parent %v, want its own id", got)
		}
		m.Headers = map[string]any{"parent_id": "p"}
		if got := parent(t, m); got != "p" {
			t.Errorf("parent %v, want p", got)
		}
	})
}

// A task of protocol 1 is retried in protocol 2, with all that it had.
func TestRetryOfProtocol1(t *testing.T) {
	task, err := Read(captured(t, "protocol1-52")[0])
	if err != nil {
		t.Fatal(err)
	}
	before, err := task.Body()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(task.Retry(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := again.Body()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before.Args, after.Args) || string(before.Embed) != string(after.Embed) {
		t.Errorf("body %s, was %s", after, before)
	}
	if again.Protocol != 2 || again.Retries != 1 || again.ID != task.ID || !again.Expires.Equal(task.Expires) {
		t.Errorf("became %+v, was %+v", again, task)
	}
}

func BenchmarkNew(b *testing.B) {
	args := []any{"payload", 10}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New("bench.noop", "9f034eff-8036-4fec-bd7c-1756e112871f", args, nil, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	m := captured(b, "plain-56")[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	task, err := Read(captured(b, "plain-56")[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := task.Body(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBodyOfOneMebibyte(b *testing.B) {
	m, err := New("t", "id", []any{longText(1 << 20)}, nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	task, err := Read(m)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := task.Body(); err != nil {
			b.Fatal(err)
		}
	}
}

func longText(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return string(text)
}
