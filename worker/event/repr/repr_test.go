package repr

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// The right side is what CPython 3.11 prints for the value on the left.
func TestValue(t *testing.T) {
	for in, want := range map[string]string{
		`null`:                         `None`,
		`[true, false]`:                `[True, False]`,
		`{"a": {"b": []}, "c": {}}`:    `{'a': {'b': []}, 'c': {}}`,
		`"boom"`:                       `'boom'`,
		`"it's"`:                       `"it's"`,
		`"it's \"so\""`:                `'it\'s "so"'`,
		`"a\nb\tc\\d\u0000\u007f"`:     `'a\nb\tc\\d\x00\x7f'`,
		`"\u00e9\u2028\ud83d\ude00"`:   `'é\u2028😀'`,
		`1.0`:                          `1.0`,
		`1e5`:                          `100000.0`,
		`1e16`:                         `1e+16`,
		`0.00001`:                      `1e-05`,
		`-0.0`:                         `-0.0`,
		`1e400`:                        `inf`,
		`12345678901234567890123`:      `12345678901234567890123`,
		`[NaN, Infinity, -Infinity]`:   `[nan, inf, -inf]`,
		` [ 1 ,2 ] `:                   `[1, 2]`,
		`{"z": 1, "a": 2}`:             `{'z': 1, 'a': 2}`,
		`{"__type__": "date", "x": 1}`: `{'__type__': 'date', 'x': 1}`,
		`{"__type__": "nosuch", "__value__": "x"}`:                                                     `{'__type__': 'nosuch', '__value__': 'x'}`,
		`[{"__type__": "decimal", "__value__": "1.50"}, 2]`:                                            `[Decimal('1.50'), 2]`,
		`{"__type__": "date", "__value__": "2026-03-01"}`:                                              `datetime.date(2026, 3, 1)`,
		`{"__type__": "datetime", "__value__": "2026-03-01T10:02:00.000005"}`:                          `datetime.datetime(2026, 3, 1, 10, 2, 0, 5)`,
		`{"__type__": "datetime", "__value__": "2026-03-01T10:00:00+00:00"}`:                           `datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)`,
		`{"__type__": "base64", "__value__": "AP8n"}`:                                                  `b"\x00\xff'"`,
		`{"__type__": "uuid", "__value__": {"hex": "0123456789abcdef0123456789abcdef", "version": 4}}`: `UUID('01234567-89ab-cdef-0123-456789abcdef')`,
		`{"__type__": "datetime", "__value__": "2026-03-01T10:00:00-05:00"}`:                           `datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400)))`,
	} {
		if got := Value([]byte(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestCalls(t *testing.T) {
	raw := func(texts ...string) []json.RawMessage {
		var list []json.RawMessage
		for _, s := range texts {
			list = append(list, json.RawMessage(s))
		}
		return list
	}
	for got, want := range map[string]string{
		Args(nil):                  `()`,
		Args(raw(`1`)):             `(1,)`,
		Args(raw(`2`, `"x"`)):      `(2, 'x')`,
		Tuple([]byte(`[[1], 2]`)):  `([1], 2)`,
		Tuple([]byte(`[[1]]`)):     `([1],)`,
		Tuple([]byte(`[]`)) + " ":  `() `,
		Tuple([]byte(`"no list"`)): `'no list'`,
		Kwargs(nil):                `{}`,
		Kwargs(map[string]json.RawMessage{"b": raw(`null`)[0], "a": raw(`1`)[0]}): `{'a': 1, 'b': None}`,
		Exception("ValueError", raw(`"boom"`)...):                                 `ValueError('boom')`,
		Exception("KeyError"):                       `KeyError()`,
		Exception("OSError", raw(`2`, `"gone"`)...): `OSError(2, 'gone')`,
		String("a'b"):                               `"a'b"`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What is no JSON must not be hidden from whoever has to find out.
func TestBroken(t *testing.T) {
	for in, want := range map[string]string{
		``:         ``,
		`what`:     `what`,
		`[1, 2`:    `[1, 2`,
		`[1 2]`:    `[12]`,
		`{"a" 1}`:  `{'a'1}`,
		`{1: 2}`:   `{1: 2}`,
		`"no end`:  `"no end`,
		`]`:        `]`,
		"\"\xff\"": "'\uFFFD'",
		"\xff":     "\uFFFD",
	} {
		if got := Value([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for name, in := range map[string]string{
		"text":    `"` + strings.Repeat("x", 1<<20) + `"`,
		"wide":    `"` + strings.Repeat("é", 1<<20) + `"`,
		"escapes": `"` + strings.Repeat(`\ud83d\ude00`, 1<<16) + `"`,
		"list":    "[" + strings.Repeat("1,", 1<<20) + "1]",
		"deep":    strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20),
		"dicts":   strings.Repeat(`{"a":`, 1<<20) + "1" + strings.Repeat("}", 1<<20),
	} {
		got := Value([]byte(in))
		if len(got) > Limit || len(got) < Limit-8 || !strings.HasSuffix(got, "...") || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes ending in %q", name, len(got), got[max(0, len(got)-8):])
		}
	}
	exact := `"` + strings.Repeat("x", Limit-2) + `"`
	if got := Value([]byte(exact)); len(got) != Limit || strings.HasSuffix(got, "...") {
		t.Errorf("a text that just fits was cut: %d bytes", len(got))
	}
}

func FuzzValue(f *testing.F) {
	f.Add([]byte(`{"a": [1, 2.5, "x", null, {"__type__": "date", "__value__": "2026-01-01"}]}`))
	f.Add([]byte(`"\ud800\\`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, got := range []string{Value(in), Tuple(in)} {
			if len(got) > Limit || !utf8.ValidString(got) {
				t.Errorf("%d bytes, valid UTF-8 %v", len(got), utf8.ValidString(got))
			}
		}
	})
}

func BenchmarkArgs(b *testing.B) {
	b.ReportAllocs()
	args := []json.RawMessage{json.RawMessage("2"), json.RawMessage(`"three"`)}
	for b.Loop() {
		Args(args)
	}
}
