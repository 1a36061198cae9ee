package trial_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"math"
	"strings"
	"testing"

	"taskbench/brokers"
)

// inputs are what other clients, other versions and accidents may leave in a queue.
func inputs() []input {
	in := []input{
		{name: "arrays nested 100,000 deep", fate: spoilt, put: body("noop", `[[`+nested(100_000)+`], {}, null]`)},
		{name: "objects nested 100,000 deep", fate: spoilt, put: body("noop", `[[], `+strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000)+`, null]`)},
		{name: "100,000 open brackets", fate: spoilt, put: body("noop", strings.Repeat("[", 100_000))},
		{name: "invalid UTF-8", fate: spoilt, put: body("noop", "[[\"\xff\xfe\"], {}, null]")},
		{name: "no body", fate: spoilt, put: body("noop", "")},
		{name: "half a body", fate: spoilt, put: body("noop", `[[1, 2`)},
		{name: "a body of two", fate: spoilt, put: body("noop", `[[], {}]`)},
		{name: "a body of four", fate: spoilt, put: body("noop", `[[], {}, null, null]`)},
		{name: "a body that is a number", fate: spoilt, put: body("noop", `7`)},
		{name: "args that are an object", fate: spoilt, put: body("noop", `[{}, {}, null]`)},
		{name: "a number too large for anybody", fate: done, put: body("noop", `[[1e999999, `+strings.Repeat("9", 100_000)+`], {}, null]`)},
		{name: "a value of an unknown type", fate: spoilt, put: body("noop", `[[{"__type__": "gun", "__value__": 1}], {}, null]`)},

		{name: "an ETA that is past", fate: done, put: header("eta", "1999-12-31T23:59:59+00:00")},
		{name: "an ETA in the year 9999", fate: waiting, put: header("eta", "9999-12-31T23:59:59+00:00")},
		{name: "an ETA in the year 10000", fate: unreadable, put: header("eta", "10000-01-01T00:00:00+00:00")},
		{name: "an ETA that is no time", fate: unreadable, put: header("eta", "tomorrow")},
		{name: "expired long ago", fate: late, put: header("expires", "1999-12-31T23:59:59+00:00")},
		{name: "an expiry that is no time", fate: unreadable, put: header("expires", true)},
		{name: "retries below zero", fate: unreadable, put: header("retries", -1)},
		{name: "many retries", fate: done, put: header("retries", math.MaxInt32)},
		{name: "more retries than can be", fate: unreadable, put: header("retries", int64(math.MaxInt64))},
		{name: "a count of deaths below zero", fate: killer, put: headerOf("crash", "x-taskbench-deaths", math.MinInt32)},
		{name: "a count of deaths beyond all", fate: killer, put: headerOf("crash", "x-taskbench-deaths", math.MaxInt32)},
		{name: "a time limit of no time", fate: unreadable, put: header("timelimit", []any{-1, "x"})},

		{name: "an unknown content type", fate: unreadable, put: changed(func(m *brokers.Message) { m.ContentType = "application/x-wat" })},
		{name: "no content type", fate: unreadable, put: changed(func(m *brokers.Message) { m.ContentType = "" })},
		{name: "pickle", fate: unreadable, put: changed(func(m *brokers.Message) {
			m.Body, m.ContentType, m.ContentEncoding = []byte("\x80\x04)}}\x87."), "application/x-python-serialize", "binary"
		})},
		{name: "an unknown encoding", fate: unreadable, put: changed(func(m *brokers.Message) { m.ContentEncoding = "ebcdic" })},
		{name: "an unknown task", fate: unknown, put: header("task", "none.such")},
		{name: "a task without a name", fate: unreadable, put: header("task", "")},
		{name: "no id", fate: unreadable, put: changed(func(m *brokers.Message) { delete(m.Headers, "id") })},
		{name: "a reply to nobody", fate: done, put: changed(func(m *brokers.Message) { m.ReplyTo = "no\tsuch\x00queue" + strings.Repeat("x", 200) })},
		{name: "nothing at all", fate: unreadable, put: func(t *testing.T, a *arena, _ string) { publish(t, a.broker, brokers.Message{Queue: a.queue}) }},

		{name: "plain text that is said to be compressed", fate: spoilt, put: header("compression", "application/x-gzip")},
		{name: "an unknown compression", fate: spoilt, put: header("compression", "application/x-wat")},
		{name: "a compression that is a number", fate: spoilt, put: header("compression", 7)},
		{name: "what unpacks to far too much", fate: spoilt, put: changed(func(m *brokers.Message) {
			m.Headers["compression"], m.Body = "application/x-gzip", bomb(thorough(1<<30, 160<<20))
		})},
	}
	in = append(in, embeds()...)
	return append(in, foreign()...)
}

// embeds are workflows that make no sense. Their tasks do.
func embeds() []input {
	embed := func(text string) func(*testing.T, *arena, string) { return body("noop", `[[], {}, `+text+`]`) }
	signature := func(depth int) string {
		return strings.Repeat(`{"task": "noop", "args": [], "kwargs": {}, "options": {"link": [`, depth) + strings.Repeat(`]}}`, depth)
	}
	return []input{
		{name: "a workflow that is a number", fate: done, put: embed(`7`)},
		{name: "callbacks that are a number", fate: done, put: embed(`{"callbacks": 7, "errbacks": null, "chain": null, "chord": null}`)},
		{name: "callbacks that are numbers", fate: done, put: embed(`{"callbacks": [1, 2], "errbacks": [3], "chain": [4], "chord": 5}`)},
		{name: "a chain that is a text", fate: done, put: embed(`{"chain": "oops"}`)},
		{name: "a chord that is a text", fate: done, put: func(t *testing.T, a *arena, id string) {
			m := task(a.queue, "noop", id, nil, nil)
			m.Headers["group"], m.Body = id+".group", []byte(`[[], {}, {"chord": "oops"}]`)
			publish(t, a.broker, m)
		}},
		{name: "a chain of a million numbers", fate: done, put: embed(`{"chain": [` + strings.Repeat("1,", 999_999) + `1]}`)},
		{name: "a chain of a million steps, the next one unknown", fate: done, more: 1, put: func(t *testing.T, a *arena, id string) {
			n := thorough(1_000_000, 100_000)
			next := fmt.Sprintf(`{"task": "none.such", "options": {"queue": %q}}`, a.queue)
			body("noop", `[[], {}, {"chain": [`+strings.Repeat(`{"task": "noop"},`, n)+next+`]}]`)(t, a, id)
		}},
		{name: "a signature nested 10,000 deep", fate: spoilt, put: embed(`{"callbacks": [` + signature(10_000) + `]}`)},
		{name: "a signature nested 300 deep", fate: done, put: embed(`{"callbacks": [` + signature(300) + `]}`)},
	}
}

// body puts a task with that body.
func body(name, text string) func(*testing.T, *arena, string) {
	return func(t *testing.T, a *arena, id string) {
		m := task(a.queue, name, id, nil, nil)
		m.Body = []byte(text)
		publish(t, a.broker, m)
	}
}

func header(name string, v any) func(*testing.T, *arena, string) { return headerOf("noop", name, v) }

func headerOf(task, name string, v any) func(*testing.T, *arena, string) {
	return changed(func(m *brokers.Message) {
		m.Headers["task"] = task
		m.Headers[name] = v
	})
}

func changed(change func(*brokers.Message)) func(*testing.T, *arena, string) {
	return func(t *testing.T, a *arena, id string) {
		m := task(a.queue, "noop", id, nil, nil)
		change(&m)
		publish(t, a.broker, m)
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// bomb packs so many bytes.
func bomb(size int) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	zeros := make([]byte, 1<<20)
	for range size >> 20 {
		_, _ = w.Write(zeros) // a bytes.Buffer takes everything
	}
	_ = w.Close()
	return buf.Bytes()
}
