package message

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

const good = `[[1, 2], {}, null]`

// crafted makes a message of protocol 2 and lets the test spoil it.
func crafted(body string, change func(m *brokers.Message)) brokers.Message {
	m := brokers.Message{
		Headers: map[string]any{"task": "lab.add", "id": "x"}, Body: []byte(body), ContentType: JSON, ContentEncoding: "utf-8",
	}
	if change != nil {
		change(&m)
	}
	return m
}

func header(name string, v any) func(*brokers.Message) {
	return func(m *brokers.Message) { m.Headers[name] = v }
}

func bare(m *brokers.Message) { m.Headers = nil }

// The cases are those that were tried on real workers; two of them crash those.
func TestWhatCannotBeRead(t *testing.T) {
	bomb := func(m *brokers.Message) {
		var buf bytes.Buffer
		w := zlib.NewWriter(&buf)
		for range MaxBody/(1<<20) + 1 {
			w.Write(make([]byte, 1<<20))
		}
		w.Close()
		m.Body, m.Headers["compression"] = buf.Bytes(), "application/x-gzip"
	}
	for _, c := range []struct {
		name   string
		m      brokers.Message
		reason Reason // "" is none: it can be read
	}{
		{"minimal", crafted(good, nil), ""},
		{"embed null", crafted(`[[1, 2], {}, null]`, nil), ""},
		{"args and kwargs null", crafted(`[null, null, {}]`, nil), ""},
		{"hybrid", crafted(`{"args": [1, 2], "kwargs": {}}`, nil), ""},
		{"eta naive", crafted(good, header("eta", "2020-01-01T00:00:00")), ""},
		{"eta Z", crafted(good, header("eta", "2020-01-01T00:00:00Z")), ""},
		{"eta wrapped", crafted(good, header("eta", map[string]any{"__type__": "datetime", "__value__": "2020-01-01T00:00:00"})), ""},
		{"not a number", crafted(`[[NaN, -Infinity, Infinity], {}, null]`, nil), ""},
		{"v1 minimal", crafted(`{"task": "lab.add", "id": "x", "args": [1, 2]}`, bare), ""},

		{"array of two, which kills a Python worker", crafted(`[1, 2]`, nil), Shape},
		{"no id, which kills a Python worker", crafted(good, func(m *brokers.Message) { delete(m.Headers, "id") }), NoID},
		{"id a number", crafted(good, header("id", 5)), NoID},
		{"task a number", crafted(good, header("task", 5)), BadHeader},
		{"task null", crafted(good, header("task", nil)), BadHeader},
		{"no task, a foreign object", crafted(`{"a": 1}`, bare), Foreign},
		{"no task, an object with args", crafted(`{"args": []}`, bare), Foreign},
		{"no task, a list", crafted(`[1, 2]`, bare), Foreign},
		{"no task, no JSON", crafted(`{not json`, bare), Syntax},
		{"no task, nothing", crafted(``, bare), Syntax},
		{"body no JSON", crafted(`{not json`, nil), Syntax},
		{"body empty", crafted(``, nil), Syntax},
		{"body a string", crafted(`"hello"`, nil), Shape},
		{"body a list and more", crafted(good+`x`, nil), Syntax},
		{"body not UTF-8", crafted("[[\"\xff\"], {}, null]", nil), Syntax},
		{"bad value deep inside", crafted(`[[{"a": [1, tru]}], {}, null]`, nil), Syntax},
		{"bad escape", crafted(`[["\x"], {}, null]`, nil), Syntax},
		{"nested too deep", crafted(strings.Repeat("[", 100_000), nil), Syntax},
		{"unknown __type__", crafted(`[[{"__type__": "set", "__value__": []}], {}, null]`, nil), Syntax},
		{"args an object", crafted(`[{}, {}, null]`, nil), Shape},
		{"kwargs a list", crafted(`[[1, 2], [], {}]`, nil), Shape},
		{"v1 kwargs a list", crafted(`{"task": "lab.add", "id": "x", "args": [1, 2], "kwargs": []}`, bare), Shape},
		{"v1 without id", crafted(`{"task": "lab.add", "args": [1, 2]}`, bare), NoID},
		{"v1 bad eta", crafted(`{"task": "lab.add", "id": "x", "args": [], "eta": "soon"}`, bare), BadHeader},
		{"pickle", crafted(good, func(m *brokers.Message) { m.ContentType = "application/x-python-serialize" }), Refused},
		{"unknown type", crafted(good, func(m *brokers.Message) { m.ContentType = "application/x-foo" }), Refused},
		{"plain text", crafted(good, func(m *brokers.Message) { m.ContentType = "text/plain" }), Refused},
		{"no type", crafted(good, func(m *brokers.Message) { m.ContentType = "" }), Refused},
		{"latin encoding", crafted(good, func(m *brokers.Message) { m.ContentEncoding = "latin-1" }), Encoding},
		{"bad eta", crafted(good, header("eta", "notadate")), BadHeader},
		{"bad expires", crafted(good, header("expires", 12)), BadHeader},
		{"bad retries", crafted(good, header("retries", "many")), BadHeader},
		{"retries not a number", crafted(good, header("retries", math.NaN())), BadHeader},
		{"bad time limit", crafted(good, header("timelimit", 5)), BadHeader},
		{"bad soft limit", crafted(good, header("timelimit", []any{nil, "soon"})), BadHeader},
		{"unknown compression", crafted(good, header("compression", "application/x-bz2")), Packing},
		{"broken compression", crafted(good, header("compression", "application/x-gzip")), Packing},
		{"decompression bomb", crafted("", bomb), Packing},
	} {
		t.Run(c.name, func(t *testing.T) {
			task, err := Read(c.m)
			if err == nil {
				_, err = task.Body()
			}
			var e *Error
			switch {
			case c.reason == "" && err != nil:
				t.Errorf("%v", err)
			case c.reason != "" && (!errors.As(err, &e) || e.Reason != c.reason):
				t.Errorf("%v, want the reason %q", err, c.reason)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for text, want := range map[string]time.Time{
		"2026-11-22T00:52:40.860139+00:00": time.Date(2026, 11, 22, 0, 52, 40, 860139000, time.UTC),
		"2026-11-22T02:31:05.569813+01:00": time.Date(2026, 11, 22, 1, 31, 5, 569813000, time.UTC),
		"2026-11-22T02:31:05+0530":         time.Date(2026, 11, 21, 21, 1, 5, 0, time.UTC),
		"2026-11-22T02:31:05.12Z":          time.Date(2026, 11, 22, 2, 31, 5, 120_000_000, time.UTC),
		"2026-11-22T02:31:05.123456789Z":   time.Date(2026, 11, 22, 2, 31, 5, 123456789, time.UTC),
		"2026-11-22 02:31:05":              time.Date(2026, 11, 22, 1, 31, 5, 0, time.UTC), // naive: the zone given
	} {
		if got, err := ParseTime(text, berlin); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
	for at, want := range map[time.Time]string{
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC):            "2026-01-02T03:04:05+00:00",
		time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC):          "2026-01-02T03:04:05+00:00",
		time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.UTC):  "2026-01-02T03:04:05.120000+00:00",
		time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, berlin):    "2026-01-02T03:04:05.123456+01:00",
		time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.UTC):  "2026-01-02T03:04:05.999999+00:00",
		time.Date(2026, 1, 2, 3, 4, 59, 999_999_999, time.UTC): "2026-01-02T03:04:59.999999+00:00",
	} {
		if got := FormatTime(at); got != want {
			t.Errorf("%v is written %s, want %s", at, got, want)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	var s string
	var f float64
	var b []byte
	var at time.Time
	var list []string
	var v any
	for _, c := range []struct {
		raw  string
		into any
		want string // of fmt.Sprint; "" is an error
	}{
		{`"a"`, &s, "a"},
		{`1.5`, &f, "1.5"},
		{`NaN`, &f, "NaN"},
		{`-Infinity`, &f, "-Inf"},
		{`"NaN"`, &s, "NaN"},
		{`[1, NaN]`, &v, "[1 NaN]"},
		{`[1, NaN]`, &list, ""},
		{`{"__type__": "base64", "__value__": "Ynl0ZXP/AA=="}`, &b, fmt.Sprint([]byte("bytes\xff\x00"))},
		{`{"__type__": "bytes", "__value__": "ascii"}`, &b, fmt.Sprint([]byte("ascii"))},
		{`{"__type__": "decimal", "__value__": "1.10"}`, &s, "1.10"},
		{`{"__type__": "datetime", "__value__": "2024-01-02T03:04:05.000678"}`, &at, "2024-01-02 03:04:05.000678 +0000 UTC"},
		{`[{"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000005"}}]`, &list, "[00000000-0000-0000-0000-000000000005]"},
		{`{"__type__": "decimal", "__value__": "1.10", "more": 1}`, &s, ""},
		{`{"__type__": "frob", "__value__": 1}`, &v, ""},
	} {
		err := Unmarshal([]byte(c.raw), c.into)
		got := ""
		if err == nil {
			switch p := c.into.(type) {
			case *string:
				got = *p
			case *float64:
				got = fmt.Sprint(*p)
			case *[]byte:
				got = fmt.Sprint(*p)
			case *time.Time:
				got = fmt.Sprint(*p)
			case *[]string:
				got = fmt.Sprint(*p)
			case *any:
				got = fmt.Sprint(*p)
			}
		}
		if got != c.want {
			t.Errorf("%s into %T is %q (%v), want %q", c.raw, c.into, got, err, c.want)
		}
	}
}
