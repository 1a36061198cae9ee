package message

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

// captured reads the messages of one capture.
func captured(t testing.TB, name string) (ms []brokers.Message) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Keys map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	type element struct {
		Envelope struct {
			Body            []byte
			ContentType     string `json:"content-type"`
			ContentEncoding string `json:"content-encoding"`
			Headers         map[string]any
			Properties      struct {
				CorrelationID string `json:"correlation_id"`
				ReplyTo       string `json:"reply_to"`
				Priority      uint8
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(file.Keys)) {
		if strings.HasPrefix(key, "_kombu") {
			continue
		}
		var list []element
		var dump struct{ Value json.RawMessage }
		raw := file.Keys[key]
		if json.Unmarshal(raw, &dump) == nil {
			raw = dump.Value
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatalf("%s: key %q: %v", name, key, err)
		}
		for _, e := range list {
			v := e.Envelope
			ms = append(ms, brokers.Message{
				Queue: "celery", Headers: v.Headers, Body: v.Body, ContentType: v.ContentType, ContentEncoding: v.ContentEncoding,
				CorrelationID: v.Properties.CorrelationID, ReplyTo: v.Properties.ReplyTo, Priority: v.Properties.Priority,
			})
		}
	}
	if len(ms) == 0 {
		t.Fatalf("%s holds no message", name)
	}
	return ms
}

func mustTime(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestCapturedMessages(t *testing.T) {
	for _, c := range []struct {
		file     string
		want     Task // what is compared: the fields before Message
		args     []any
		embedded string // what the embed must contain
	}{
		{"plain-52", Task{Name: "lab.add", Protocol: 2}, []any{int64(2), int64(3)}, `"chain": null`},
		{"plain-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(2), int64(3)}, `"chain": null`},
		{"options-52", Task{Name: "lab.add", Protocol: 2, ETA: mustTime(t, "2026-11-22T00:52:40.860139Z"),
			Expires: mustTime(t, "2026-11-22T00:53:40.860139Z"), Hard: 30 * time.Second, Soft: 20 * time.Second}, []any{int64(2), int64(3)}, ""},
		{"options-56", Task{Name: "lab.add", Protocol: 2, ETA: mustTime(t, "2026-11-22T00:52:41.303928Z"),
			Expires: mustTime(t, "2026-11-22T00:53:41.303928Z"), Hard: 30 * time.Second, Soft: 20 * time.Second}, []any{int64(2), int64(3)}, ""},
		{"expires-past-52", Task{Name: "lab.add", Protocol: 2, Expires: mustTime(t, "2026-11-22T01:25:08.244275Z")}, []any{int64(1), int64(2)}, ""},
		{"compress-gzip-52", Task{Name: "lab.add", Protocol: 2}, []any{int64(1), int64(2)}, ""},
		{"compress-gzip-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(1), int64(2)}, ""},
		{"protocol1-52", Task{Name: "lab.add", Protocol: 1, ETA: mustTime(t, "2026-11-22T01:25:20.460032Z"),
			Expires: mustTime(t, "2026-11-22T01:26:10.460032Z")}, []any{int64(1), int64(2)}, `"lab.mul"`},
		{"protocol1-56", Task{Name: "lab.add", Protocol: 1, ETA: mustTime(t, "2026-11-22T01:25:46.416301Z"),
			Expires: mustTime(t, "2026-11-22T01:26:36.416301Z")}, []any{int64(1), int64(2)}, `"lab.mul"`},
		{"bytes-56", Task{Name: "lab.unregistered", Protocol: 2},
			[]any{[]byte("bytes\xff\x00"), []byte("ascii"), []any{int64(1), int64(2)}, map[string]any{"1": int64(2)}}, ""},
		{"unicode-52", Task{Name: "lab.unregistered", Protocol: 2}, []any{"héllo ☃", "2024-01-02T03:04:05.000678",
			"2024-01-02T03:04:05.678901Z", "2024-01-02T00:00:00", "03:04:05", "00000000-0000-0000-0000-000000000005", "1.10"}, ""},
		{"unicode-56", Task{Name: "lab.unregistered", Protocol: 2}, []any{"héllo ☃", mustTime(t, "2024-01-02T03:04:05.000678Z"),
			mustTime(t, "2024-01-02T03:04:05.678901Z"), mustTime(t, "2024-01-02T00:00:00Z"), "03:04:05",
			"00000000-0000-0000-0000-000000000005", "1.10"}, ""},
		{"link-52", Task{Name: "lab.add", Protocol: 2}, []any{int64(2), int64(3)}, `"lab.onerr"`},
		{"link-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(2), int64(3)}, `"lab.onerr"`},
		{"chain-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(1), int64(2)}, `"lab.mul"`},
		{"group-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(3), int64(4)}, ""},
		{"stamped-56", Task{Name: "lab.add", Protocol: 2}, []any{int64(1), int64(2)}, ""},
	} {
		t.Run(c.file, func(t *testing.T) {
			m := captured(t, c.file)[0]
			got, err := Read(m)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID == "" || got.ID != m.CorrelationID {
				t.Errorf("id %q, want the correlation id %q", got.ID, m.CorrelationID)
			}
			if got.Name != c.want.Name || got.Protocol != c.want.Protocol || got.Retries != 0 || got.Soft != c.want.Soft ||
				got.Hard != c.want.Hard || !got.ETA.Equal(c.want.ETA) || !got.Expires.Equal(c.want.Expires) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			body, err := got.Body()
			if err != nil {
				t.Fatal(err)
			}
			if len(body.Args) != len(c.args) {
				t.Fatalf("%d arguments, want %d", len(body.Args), len(c.args))
			}
			for i, want := range c.args {
				v, err := Decode(body.Args[i])
				if at, ok := want.(time.Time); ok && err == nil {
					if !at.Equal(v.(time.Time)) {
						t.Errorf("argument %d is %v, want %v", i, v, at)
					}
				} else if err != nil || !reflect.DeepEqual(v, want) {
					t.Errorf("argument %d is %#v (%v), want %#v", i, v, err, want)
				}
			}
			if !strings.Contains(string(body.Embed), c.embedded) {
				t.Errorf("embed %s does not hold %s", body.Embed, c.embedded)
			}
		})
	}
}

func TestKwargsOfACapturedMessage(t *testing.T) {
	got, err := Read(captured(t, "unicode-56")[0])
	if err != nil {
		t.Fatal(err)
	}
	body, err := got.Body()
	if err != nil {
		t.Fatal(err)
	}
	if string(body.Kwargs["k"]) != "1.5" || string(body.Kwargs["n"]) != "null" || len(body.Kwargs) != 2 {
		t.Errorf("kwargs are %q", body.Kwargs)
	}
}

func TestRefusedSerializers(t *testing.T) {
	for _, file := range []string{"pickle-56", "msgpack-56", "yaml-56"} {
		_, err := Read(captured(t, file)[0])
		var e *Error
		if !errors.As(err, &e) || e.Reason != Refused || e.Task != "lab.add" || e.ID == "" {
			t.Errorf("%s: %v, want a refusal that names the task and the id", file, err)
		}
		if _, err := Read(captured(t, file)[0], JSON, "application/x-yaml"); (err == nil) != (file == "yaml-56") {
			t.Errorf("%s: with YAML accepted: %v", file, err)
		}
	}
}

// What Celery writes and we write must be the same to a reader of either.
func TestWrittenLikeCaptured(t *testing.T) {
	at := mustTime(t, "2026-11-22T00:52:41.303928Z")
	theirs := captured(t, "options-56")[0]
	ours, err := New("lab.add", theirs.CorrelationID, []any{2, 3}, nil, Options{
		Priority: 7, ETA: at, Expires: at.Add(time.Minute), Hard: 30 * time.Second, Soft: 20 * time.Second,
		ReplyTo: theirs.ReplyTo, Headers: map[string]any{"X-My": "h"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(ours.Body) != string(theirs.Body) {
		t.Errorf("body %s, want %s", ours.Body, theirs.Body)
	}
	encoded, _ := json.Marshal(ours.Headers)
	var headers map[string]any
	if err := json.Unmarshal(encoded, &headers); err != nil {
		t.Fatal(err)
	}
	for name, v := range headers {
		if name != "lang" && name != "origin" && !reflect.DeepEqual(v, theirs.Headers[name]) {
			t.Errorf("header %s is %v, want %v", name, v, theirs.Headers[name])
		}
	}
	ours.Headers, theirs.Headers, ours.Body, theirs.Body, ours.Expiration = nil, nil, nil, nil, 0
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("properties %+v, want %+v", ours, theirs)
	}
}
