package trial_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
)

// foreign are what no client of any task queue has left there.
func foreign() []input {
	var in []input
	for name, element := range map[string]string{
		"garbage": "garbage", "bytes": "\x00\xff", "nothing": "", "an array": "[]", "an object": "{}", "a number": "7",
		"a body of another kind": `{"body": 7}`, "headers of another kind": `{"body": "e30=", "headers": 7}`,
		"properties of other kinds": `{"body": "e30=", "headers": {"task": "noop", "id": "x"}, "properties": [], "content-type": 7}`,
		"base64 that is none":       `{"body": "***", "headers": {"task": "noop", "id": "y"}, "properties": {"body_encoding": "base64"}, "content-type": "application/json"}`,
		"nested 100,000 deep":       strings.Repeat("[", 100_000),
		"nested properties":         `{"body": "e30=", "headers": ` + nested(100_000) + `}`,
	} {
		in = append(in, input{name: "in the list: " + name, fate: unreadable, only: "redis", put: func(t *testing.T, a *arena, _ string) {
			o, err := goredis.ParseURL(a.server.url)
			if err != nil {
				t.Fatal(err)
			}
			rdb := goredis.NewClient(o)
			defer func() { _ = rdb.Close() }() // nobody needs it any more
			if err := rdb.LPush(t.Context(), a.queue, element).Err(); err != nil {
				t.Fatal(err)
			}
		}})
	}
	for name, m := range map[string]amqp.Publishing{
		"without anything": {}, "without headers": {Body: []byte("hello"), ContentType: "text/plain"},
		"a table nested 31 deep":  {Headers: deepTable(31), Body: []byte("x")},
		"a table nested 60 deep":  {Headers: deepTable(60), Body: []byte("x")},
		"an array nested 60 deep": {Headers: amqp.Table{"a": deepArray(60)}, Body: []byte("x")},
		"an array of 20,000":      {Headers: amqp.Table{"a": make([]any, 20_000)}, Body: []byte("x")},
		"a table of 20,000":       {Headers: wideTable(20_000), Body: []byte("x")},
		"as many headers as fit":  {Headers: amqp.Table{"a": strings.Repeat("x", 130_900)}, Body: []byte("x")},
		"fields of all kinds":     {Headers: allKinds(), Body: []byte("x"), Timestamp: time.Unix(1, 0), Type: "t", UserId: "", AppId: "a", MessageId: "m"},
		"the highest priority":    {Priority: 255, DeliveryMode: 1, Body: []byte("x")},
	} {
		in = append(in, input{name: "over AMQP: " + name, fate: unreadable, only: "rabbitmq", put: func(t *testing.T, a *arena, _ string) {
			c, err := amqp.Dial(a.server.url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }() // nobody needs it any more
			ch, err := c.Channel()
			if err == nil {
				err = ch.Confirm(false)
			}
			if err != nil {
				t.Fatal(err)
			}
			sent, err := ch.PublishWithDeferredConfirm("", a.queue, true, false, m)
			if err != nil || !sent.Wait() {
				t.Fatalf("publish: %v", err)
			}
		}})
	}
	return in
}

func deepTable(depth int) amqp.Table {
	t := amqp.Table{"x": "y"}
	for range depth {
		t = amqp.Table{"t": t}
	}
	return t
}

func deepArray(depth int) []any {
	a := []any{"x"}
	for range depth {
		a = []any{a}
	}
	return a
}

func wideTable(n int) amqp.Table {
	t := amqp.Table{}
	for i := range n {
		t[strconv.FormatInt(int64(i), 36)] = nil
	}
	return t
}

func allKinds() amqp.Table {
	return amqp.Table{
		"a": true, "b": byte(1), "c": int16(2), "d": int32(3), "e": int64(4), "f": float32(5), "g": 6.5, "h": amqp.Decimal{Scale: 200, Value: 7},
		"i": time.Unix(1<<40, 0), "j": []byte{0xff}, "k": nil, "l": "\xff\xfe", "m": []any{nil, amqp.Table{}}, "": "nameless",
	}
}
