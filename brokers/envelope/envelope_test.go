package envelope

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"taskbench/brokers"
)

func whole() brokers.Message {
	return brokers.Message{
		Headers: map[string]any{
			"id": "c5", "retries": int64(3), "eta": nil, "late": true, "early": false, "rate": 2.5,
			"big": uint64(math.MaxUint64), "raw": []byte{0, 255},
			"limits": []any{int64(-1), nil, "ü"}, "stamps": map[string]any{"deep": map[string]any{}},
		},
		Body:        []byte{0, 1, 255},
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: "c5", ReplyTo: "r1",
		Priority: 9, Expiration: 1500 * time.Millisecond, Transient: true,
	}
}

func encode(t testing.TB, m brokers.Message) []byte {
	t.Helper()
	data, err := Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTripKeepsEveryField(t *testing.T) {
	for name, m := range map[string]brokers.Message{
		"whole":         whole(),
		"empty headers": {Headers: map[string]any{}, Body: []byte{}},
		"no headers":    {Body: []byte("x")},
	} {
		got, err := Decode(encode(t, m))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %#v\nwant %#v", name, got, m)
		}
	}
}

func TestRarerKindsBecomeTheUsualOnes(t *testing.T) {
	type named string
	m := brokers.Message{Headers: map[string]any{
		"int8": int8(-3), "uint16": uint16(9), "float32": float32(0.5), "named": named("n"), "int": json.Number("12"),
		"float": json.Number("1.5"), "strings": []string{"a"}, "map": map[named]int{"k": 1},
	}}
	want := map[string]any{
		"int8": int64(-3), "uint16": int64(9), "float32": 0.5, "named": "n", "int": int64(12),
		"float": 1.5, "strings": []any{"a"}, "map": map[string]any{"k": int64(1)},
	}
	got, err := Decode(encode(t, m))
	if err != nil || !reflect.DeepEqual(got.Headers, want) {
		t.Errorf("got %#v, %v\nwant %#v", got.Headers, err, want)
	}
}

func TestUnencodableHeadersAreRefused(t *testing.T) {
	for _, v := range []any{make(chan int), func() {}, map[int]string{1: "x"}, json.Number("x"), []any{struct{}{}}} {
		_, err := Append(nil, brokers.Message{Headers: map[string]any{"h": v}})
		if !brokers.Definite(err) {
			t.Errorf("a %T in the headers gives %v, want a Definite error", v, err)
		}
	}
}

func TestEveryCutIsSeenBeforeTheBody(t *testing.T) {
	m := whole()
	m.Body = nil
	data := encode(t, m)
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a whole message", n, len(data))
		}
	}
}

func TestDeepNestingIsRefusedNotFollowed(t *testing.T) {
	m := brokers.Message{Headers: map[string]any{}}
	at := m.Headers
	for range deepest + 1 {
		next := map[string]any{}
		at["n"] = next
		at = next
	}
	if _, err := Decode(encode(t, m)); err == nil {
		t.Error("a message nested beyond the bound was decoded")
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Append(nil, whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{version, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(encode(t, m))
		if err != nil {
			t.Fatalf("what was decoded does not survive a second trip: %v", err)
		}
		if len(again.Headers) != len(m.Headers) || string(again.Body) != string(m.Body) || again.ReplyTo != m.ReplyTo {
			t.Fatalf("second trip: got %#v, want %#v", again, m)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	m := whole()
	m.Body = make([]byte, 256)
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = Append(buf[:0], m); err != nil {
			b.Fatal(err)
		}
		if _, err = Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
