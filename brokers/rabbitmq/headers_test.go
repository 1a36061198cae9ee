package rabbitmq

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

func TestOnlySafeKindsAreWritten(t *testing.T) {
	sent := map[string]any{
		"int": 3, "int8": int8(-3), "int16": int16(5), "byte": byte(200), "uint32": uint32(math.MaxUint32), "int64": int64(-1) << 40,
		"edge": math.MinInt32, "float32": float32(0.5), "nil": nil, "strings": []string{"a", "b"}, "list": []any{1, nil, []int{7}},
		"map": map[string]any{"deep": map[string]int{"n": 1}}, "number": json.Number("12"), "real": json.Number("1.5"), "yes": true,
	}
	want := amqp.Table{
		"int": int32(3), "int8": int32(-3), "int16": int32(5), "byte": int32(200), "uint32": int64(math.MaxUint32), "int64": int64(-1) << 40,
		"edge": int32(math.MinInt32), "float32": 0.5, "nil": nil, "strings": []any{"a", "b"}, "list": []any{int32(1), nil, []any{int32(7)}},
		"map": amqp.Table{"deep": amqp.Table{"n": int32(1)}}, "number": int32(12), "real": 1.5, "yes": true,
	}
	got, _, err := table(sent)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v, %v\nwant %#v", got, err, want)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the library refuses it: %v", err)
	}
}

func TestHeadersComeBackPlain(t *testing.T) {
	got := headers(amqp.Table{
		"a": int32(1), "b": int64(2), "c": uint8(3), "d": float32(0.5), "e": amqp.Table{"x": []any{int16(4), nil}},
		"t": time.Unix(1700000000, 0), "x-delivery-count": int64(2), "x-acquired-count": int64(2), "x-death": []any{},
	})
	want := map[string]any{
		"a": int64(1), "b": int64(2), "c": int64(3), "d": 0.5, "e": map[string]any{"x": []any{int64(4), nil}},
		"t": "2023-11-14T22:13:20Z", "x-death": []any{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if headers(nil) != nil {
		t.Error("no headers became some")
	}
}

// A count is believed as far as it is one.
func TestDeliveriesAreTheServersCount(t *testing.T) {
	for _, c := range []struct {
		table amqp.Table
		want  int
	}{
		{nil, 0},
		{amqp.Table{"x-acquired-count": int64(7)}, 0},
		{amqp.Table{"x-delivery-count": int64(1)}, 2},
		{amqp.Table{"x-delivery-count": int32(41)}, 42},
		{amqp.Table{"x-delivery-count": int64(-1)}, 1},
		{amqp.Table{"x-delivery-count": int64(math.MaxInt64)}, math.MaxInt32 + 1},
		{amqp.Table{"x-delivery-count": "many"}, 0},
	} {
		if got := deliveries(c.table); got != c.want {
			t.Errorf("%v: %d deliveries, want %d", c.table, got, c.want)
		}
	}
}

// What would make the server end the connection, with everybody else's publishes on it, is refused before.
func TestWhatNoFrameHoldsIsRefused(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, m := range map[string]brokers.Message{
		"a channel":        {Headers: map[string]any{"h": make(chan int)}},
		"deep":             {Headers: map[string]any{"h": []any{map[string]any{"f": func() {}}}}},
		"64 unsigned bits": {Headers: map[string]any{"h": uint64(math.MaxUint64)}},
		"a long name":      {Headers: map[string]any{long: 1}},
		"a big header":     {Headers: map[string]any{"h": strings.Repeat("x", 140_000)}},
		"many headers":     {Headers: map[string]any{"h": make([]any, 140_000)}},
		"correlation id":   {CorrelationID: long},
		"reply-to":         {ReplyTo: long},
		"queue":            {Queue: long},
		"content type":     {ContentType: long},
	} {
		if _, err := outgoing(m, false); !brokers.Definite(err) {
			t.Errorf("%s: %v, want a Definite error", name, err)
		}
	}
}

// The size that the guard works with must be the one on the wire.
func TestSizeIsThatOnTheWire(t *testing.T) {
	m := map[string]any{
		"a": 1, "b": int64(1) << 40, "c": "text", "d": nil, "e": true, "f": 1.5, "g": []any{1, "x", nil}, "h": map[string]any{"i": []byte("xy")},
	}
	safe, n, err := table(m)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	b := s.open(t)
	s.set(func(p publishing) string { return "ack" })
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q", Headers: m}); err != nil {
		t.Fatal(err)
	}
	got := s.published()[0].header
	const at = 14 // the message has no content type, so the table comes first
	if wire := 4 + int(uint32(got[at])<<24|uint32(got[at+1])<<16|uint32(got[at+2])<<8|uint32(got[at+3])); wire != n {
		t.Errorf("a table of %d fields takes %d bytes, and was thought to take %d", len(safe), wire, n)
	}
	if !bytes.Contains(got, []byte("\x01bL\x00\x00\x01\x00\x00\x00\x00\x00")) {
		t.Errorf("64 bits are not written with the tag that py-amqp reads as signed: %q", got)
	}
}

func TestPropertiesRoundTrip(t *testing.T) {
	m := brokers.Message{
		Queue: "q", Headers: map[string]any{"task": "t"}, Body: []byte("b"), ContentType: "application/json", ContentEncoding: "utf-8",
		CorrelationID: "c", ReplyTo: "r", Priority: 7, Expiration: 1500 * time.Millisecond, Transient: true,
	}
	p, err := outgoing(m, false)
	if err != nil {
		t.Fatal(err)
	}
	if p.Expiration != "1500" || p.DeliveryMode != 1 {
		t.Errorf("expiration %q, delivery mode %d", p.Expiration, p.DeliveryMode)
	}
	got := incoming("q", &amqp.Delivery{
		Headers: p.Headers, Body: p.Body, ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, CorrelationId: p.CorrelationId,
		ReplyTo: p.ReplyTo, Priority: p.Priority, Expiration: p.Expiration, DeliveryMode: p.DeliveryMode,
	})
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	m.Transient = false
	if p, _ = outgoing(m, true); p.DeliveryMode != amqp.Transient {
		t.Error("the transient variant sends a persistent message")
	}
	if p, _ = outgoing(m, false); p.DeliveryMode != amqp.Persistent {
		t.Error("a message is not persistent")
	}
}
