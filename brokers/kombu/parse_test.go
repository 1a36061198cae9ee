package kombu

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// reference reads by encoding/json what parseJSON reads, into the same kinds.
func reference(data string) (any, error) {
	d := json.NewDecoder(strings.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		p := parser{s: v.String()}
		n, _ := p.number()
		return n
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func TestParserAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range []string{
		`{}`, `[]`, `null`, ` {"a" : [1, -2 , 3.5,1e3], "b":{"c":null}} `, `"a\"b\\"`, `"\u00e9\ud83d\ude00"`, `""`, `[true,false]`,
		`18446744073709551615`, `-9223372036854775808`, `123456789012345678901234`, `{"a":{"a":{"a":[[[]]]}}}`, `"` + strings.Repeat("x", 5000) + `"`,
	} {
		want, err := reference(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseJSON(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", s, got, err, want)
		}
	}
}

func TestParserRefuses(t *testing.T) {
	for _, s := range []string{
		``, `{`, `[1`, `{"a"}`, `{"a":}`, `{a:1}`, `[1,]`, `{"a":1,}`, `"`, `"\`, `nul`, `+1`, `.5`, `--1`, `1 2`, `{} x`, `tru`, "\x00",
		strings.Repeat("[", deepest+2) + strings.Repeat("]", deepest+2),
	} {
		if v, err := parseJSON(s); err == nil {
			t.Errorf("%.40q is read as %v", s, v)
		}
	}
}

func TestParserReadsPythonsWords(t *testing.T) {
	got, err := parseJSON(`{"a": NaN, "b": [Infinity, -Infinity, -1], "c": "NaN"}`)
	want := map[string]any{"a": nil, "b": []any{nil, nil, int64(-1)}, "c": "NaN"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
}

func TestNumbersKeepTheirKind(t *testing.T) {
	for s, want := range map[string]any{
		"7": int64(7), "7.0": 7.0, "1e2": 100.0, "9223372036854775808": uint64(1) << 63, "-0": int64(0),
	} {
		if got, err := parseJSON(s); err != nil || got != want {
			t.Errorf("%s: got %T %v, %v, want %T", s, got, got, err, want)
		}
	}
}

// Whatever is JSON must be read as encoding/json does; whatever is not must not upset anything.
func FuzzDecode(f *testing.F) {
	f.Add(`{"body": "W10=", "headers": {"task": "größe ✓", "id": "1"}, "properties": {"priority": 3, "body_encoding": "base64"}}`)
	f.Add(`{"headers": {"a": [1, 2.5, NaN]}, "body": "\ud800"}`)
	f.Fuzz(func(t *testing.T, s string) {
		m, _ := Decode("q", s)
		if m.Headers == nil && m.Body == nil {
			t.Error("nothing is left of the element")
		}
		if !json.Valid([]byte(s)) || !bytes.Equal([]byte(s), bytes.ToValidUTF8([]byte(s), nil)) {
			return
		}
		want, err := reference(s)
		got, parseErr := parseJSON(s)
		if err == nil && parseErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	})
}
