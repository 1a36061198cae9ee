package brokertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"taskbench/brokers"
)

// carriage is about what arrives: all of it, once, and unchanged.
var carriage = []Clause{
	{
		Name: "delivers-once",
		Why:  "in calm weather a task that is lost or runs twice is the broker's fault alone",
		Check: func(ctx context.Context, e *Env) error {
			const n = 100
			q := e.Queue("q")
			c, err := e.Broker.Consume(ctx, []string{q}, 20)
			if err != nil {
				return err
			}
			if err := publish(ctx, e.Broker, q, n); err != nil {
				return err
			}
			if err := takeEach(ctx, c, q, n); err != nil {
				return err
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "publish-before-consume",
		Why:  "tasks are sent before the first worker is started, to queues that nobody has declared",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 5, 5)
			if err != nil {
				return err
			}
			return takeEach(ctx, c, q, 5)
		},
	},
	{
		Name: "headers-unchanged",
		Why:  "a task's name, id, retries, ETA and limits travel in the headers",
		Check: func(ctx context.Context, e *Env) error {
			m := letter(e.Queue("q"), 0)
			m.Headers = map[string]any{
				"task": "proj.tasks.add", "lang": "py", "unicode": "größe ✓", "retries": 3, "zero": 0, "large": int64(1) << 40,
				"negative": -7, "rate": 2.5, "ignore_result": true, "shadow": nil, "off": false, "empty": "",
				"timelimit": []any{nil, 30.5}, "stamps": map[string]any{"deep": []any{"a", map[string]any{"b": nil}}},
			}
			got, err := roundTrip(ctx, e, m)
			if err != nil {
				return err
			}
			for name, want := range m.Headers {
				if value, there := got.Headers[name]; !there {
					return fmt.Errorf("header %q did not arrive", name)
				} else if !reflect.DeepEqual(plain(value), plain(want)) {
					return fmt.Errorf("header %q is %#v, published as %#v", name, value, want)
				}
			}
			return nil
		},
	},
	{
		Name: "properties-unchanged",
		Why:  "who reads a message decides by its properties how to decode it and whom to answer",
		Check: func(ctx context.Context, e *Env) error {
			m := letter(e.Queue("q"), 0)
			m.ContentType, m.ContentEncoding = "application/x-python-serialize", "binary"
			m.CorrelationID, m.ReplyTo = "0a4c2f55-08b5-4a8f-a2b7-27d3a1f3c0de", "b9f8c1d2-reply"
			m.Priority, m.Expiration, m.Transient = 4, time.Hour, true
			got, err := roundTrip(ctx, e, m)
			if err != nil {
				return err
			}
			got.Headers, got.Body, m.Headers, m.Body = nil, nil, nil, nil
			if !reflect.DeepEqual(got, m) {
				return fmt.Errorf("got %+v, published %+v", got, m)
			}
			return nil
		},
	},
	{
		Name: "bodies-unchanged",
		Why:  "a body is opaque: empty, binary, unicode and large ones arrive byte for byte",
		Check: func(ctx context.Context, e *Env) error {
			binary := make([]byte, 256)
			for i := range binary {
				binary[i] = byte(i)
			}
			for what, body := range map[string][]byte{
				"empty": {}, "binary": binary, "unicode": []byte("größe ✓ \x00 \ufeff 任务"), "1 MiB": bytes.Repeat(binary, 4096),
			} {
				m := letter(e.Queue("q"), 0)
				m.Body = body
				got, err := roundTrip(ctx, e, m)
				if err != nil {
					return fmt.Errorf("%s body: %w", what, err)
				}
				if !bytes.Equal(got.Body, body) {
					return fmt.Errorf("%s body of %d bytes arrived as %d other bytes", what, len(body), len(got.Body))
				}
			}
			return nil
		},
	},
	{
		Name:  "many-queues",
		Why:   "a worker may listen to dozens of queues, and routes by the one that a message came from",
		Limit: 2 * time.Minute, // a quorum queue takes its time to be made
		Check: func(ctx context.Context, e *Env) error {
			const n = 100
			var queues []string
			for i := range n {
				queues = append(queues, e.Queue(fmt.Sprintf("q%d", i)))
			}
			c, err := e.Broker.Consume(ctx, queues, n)
			if err != nil {
				return err
			}
			for _, q := range queues {
				if err := publish(ctx, e.Broker, q, 1); err != nil {
					return err
				}
			}
			seen := make(map[string]bool)
			for range n {
				ds, err := takeAck(ctx, c, 1)
				if err != nil {
					return fmt.Errorf("after messages of %d queues: %w", len(seen), err)
				}
				m := ds[0].Message()
				if m.CorrelationID != letter(m.Queue, 0).CorrelationID || seen[m.Queue] {
					return fmt.Errorf("message %s arrived as one of queue %s", m.CorrelationID, m.Queue)
				}
				seen[m.Queue] = true
			}
			return nil
		},
	},
}

// roundTrip publishes one message and returns it as it arrives.
func roundTrip(ctx context.Context, e *Env, m brokers.Message) (brokers.Message, error) {
	if err := e.Broker.Publish(ctx, m); err != nil {
		return m, fmt.Errorf("publish: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := e.Broker.Consume(ctx, []string{m.Queue}, 1)
	if err != nil {
		return m, fmt.Errorf("consume: %w", err)
	}
	ds, err := takeAck(ctx, c, 1)
	if err != nil {
		return m, err
	}
	return ds[0].Message(), nil
}

// plain makes header values comparable that differ only in the Go type of a number.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // what is no number is 0, and equal to nothing that a clause publishes
		return f
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = plain(v[k])
		}
		return m
	}
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
		return nil
	case r.CanInt():
		return r.Int()
	case r.CanUint():
		return int64(r.Uint())
	case r.CanFloat() && r.Float() == float64(int64(r.Float())):
		return int64(r.Float()) // JSON does not tell 1 from 1.0
	case r.CanFloat():
		return r.Float()
	case r.Kind() == reflect.Map && r.Type().Key().Kind() == reflect.String:
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			m[it.Key().String()] = plain(it.Value().Interface())
		}
		return m
	}
	return v
}
