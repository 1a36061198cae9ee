package kombu

import (
	"encoding/json"
	"reflect"
	"testing"

	"taskbench/brokers"
)

func TestEncodeRefusesWhatJSONCannotHold(t *testing.T) {
	for _, v := range []any{make(chan int), map[int]int{1: 1}, []any{func() {}}, nan()} {
		if _, err := Encode(brokers.Message{Headers: map[string]any{"h": v}}, "", "q"); !brokers.Definite(err) {
			t.Errorf("a %T gives %v, want a Definite error", v, err)
		}
	}
}

func nan() float64 { var zero float64; return zero / zero }

func TestHeadersKeepTheirKinds(t *testing.T) {
	sent := map[string]any{
		"whole float": 2.0, "float": 2.5, "big": int64(1) << 60, "negative": -5, "nothing": nil, "yes": true,
		"text": "a\"b\\c\n\u2028ü<", "list": []string{"a"}, "tiny": 1e-9, "map": map[string]any{"k": []any{int8(1)}},
	}
	raw, err := Encode(brokers.Message{Headers: sent, Body: []byte{0, 255}}, "", "q")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"whole float": 2.0, "float": 2.5, "big": int64(1) << 60, "negative": int64(-5), "nothing": nil, "yes": true,
		"text": "a\"b\\c\n\u2028ü<", "list": []any{"a"}, "tiny": 1e-9, "map": map[string]any{"k": []any{int64(1)}},
	}
	m, _ := Decode("q", string(raw))
	if !reflect.DeepEqual(m.Headers, want) || string(m.Body) != "\x00\xff" {
		t.Errorf("got  %#v\nwant %#v", m.Headers, want)
	}
	if !json.Valid(raw) {
		t.Errorf("not JSON: %s", raw)
	}
}
