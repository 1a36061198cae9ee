package rabbitmq

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// table turns headers into kinds that both the library and py-amqp read as they were meant, and tells how many bytes
// they take in a frame. int16, int8 and byte are never written: py-amqp reads them as something else.
func table(m map[string]any) (amqp.Table, int, error) {
	t, size := make(amqp.Table, len(m)), 4
	for name, v := range m {
		if len(name) > 255 {
			return nil, 0, fmt.Errorf("the name %.20q... has more than 255 bytes", name)
		}
		safe, n, err := field(v)
		if err != nil {
			return nil, 0, fmt.Errorf("%q: %w", name, err)
		}
		t[name] = safe
		size += 1 + len(name) + n
	}
	return t, size, nil
}

func field(v any) (safe any, size int, err error) {
	switch v := v.(type) {
	case nil:
		return nil, 1, nil
	case bool:
		return v, 2, nil
	case string:
		return v, 5 + len(v), nil
	case int:
		return integer(int64(v))
	case int64:
		return integer(v)
	case float64:
		return v, 9, nil
	case []byte:
		return v, 5 + len(v), nil
	case map[string]any:
		t, n, err := table(v)
		return t, n + 1, err
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return integer(n)
		}
		f, err := v.Float64()
		return f, 9, err
	}
	return rare(reflect.ValueOf(v))
}

func integer(n int64) (any, int, error) {
	if n == int64(int32(n)) {
		return int32(n), 5, nil
	}
	return n, 9, nil
}

func rare(v reflect.Value) (safe any, size int, err error) {
	switch v.Kind() {
	case reflect.Bool:
		return field(v.Bool())
	case reflect.String:
		return field(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return integer(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return nil, 0, errors.New("AMQP has no integer beyond 63 bits")
		}
		return integer(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return v.Float(), 9, nil
	case reflect.Slice, reflect.Array:
		list, size := make([]any, v.Len()), 5
		for i := range list {
			safe, n, err := field(v.Index(i).Interface())
			if err != nil {
				return nil, 0, err
			}
			list[i] = safe
			size += n
		}
		return list, size, nil
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return field(m)
	}
	return nil, 0, fmt.Errorf("a %s is not a kind of value that messages carry", v.Type())
}

// deliveryCount is the header in which a quorum queue says how often a message was handed out before; it is not there the
// first time, and in classic queues it never is.
const deliveryCount = "x-delivery-count"

func deliveries(t amqp.Table) int {
	before, said := plain(t[deliveryCount]).(int64)
	if !said {
		return 0
	}
	return int(min(max(before, 0), math.MaxInt32)) + 1
}

// headers turns a received table into plain kinds, without the server's own counts of deliveries.
func headers(t amqp.Table) map[string]any {
	if t == nil {
		return nil
	}
	m := make(map[string]any, len(t))
	for name, v := range t {
		if name != deliveryCount && name != "x-acquired-count" {
			m[name] = plain(v)
		}
	}
	return m
}

func plain(v any) any {
	switch v := v.(type) {
	case amqp.Table:
		m := make(map[string]any, len(v))
		for name, v := range v {
			m[name] = plain(v)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case amqp.Decimal:
		return float64(v.Value) / math.Pow10(int(v.Scale))
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	case int8:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case float32:
		return float64(v)
	}
	return v
}

// outgoing is the message as the library sends it. What a frame cannot hold is refused here: sent, it would end the
// connection, and every other publish on it would be left in doubt.
func outgoing(m brokers.Message, transient bool) (amqp.Publishing, error) {
	t, size, err := table(m.Headers)
	if err != nil {
		return amqp.Publishing{}, brokers.Refusef("encode headers of message %s: %w", m.CorrelationID, err)
	}
	for what, s := range map[string]string{
		"queue": m.Queue, "content type": m.ContentType, "content encoding": m.ContentEncoding,
		"correlation id": m.CorrelationID, "reply-to": m.ReplyTo,
	} {
		if len(s) > 255 {
			return amqp.Publishing{}, brokers.Refusef("encode message %.40s: its %s has more than 255 bytes", m.CorrelationID, what)
		}
		size += len(s)
	}
	if size > 131072-1024 {
		return amqp.Publishing{}, brokers.Refusef("encode message %s: its headers of %d bytes do not fit into a frame", m.CorrelationID, size)
	}
	p := amqp.Publishing{
		Headers: t, ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, CorrelationId: m.CorrelationID,
		ReplyTo: m.ReplyTo, Priority: m.Priority, DeliveryMode: amqp.Persistent, Body: m.Body,
	}
	if m.Transient || transient {
		p.DeliveryMode = amqp.Transient
	}
	if m.Expiration > 0 {
		p.Expiration = fmt.Sprint(int64((m.Expiration + time.Millisecond - 1) / time.Millisecond))
	}
	return p, nil
}

// incoming is the message that was delivered from a queue.
func incoming(queue string, d *amqp.Delivery) brokers.Message {
	m := brokers.Message{
		Queue: queue, Headers: headers(d.Headers), Body: d.Body,
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, CorrelationID: d.CorrelationId,
		ReplyTo: d.ReplyTo, Priority: d.Priority, Transient: d.DeliveryMode == amqp.Transient,
	}
	if ms, err := json.Number(d.Expiration).Int64(); err == nil {
		m.Expiration = time.Duration(ms) * time.Millisecond
	}
	return m
}
