package redis

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A booking is an entry of the unacked hash, ours or kombu's: a message that somebody holds.
type booking struct {
	envelope   string
	exchange   string
	routingKey string
}

// parseBooking reads [envelope, exchange, routing key]. Around an element that is no JSON ours is no JSON either;
// its ends are still known.
func parseBooking(value string) (booking, error) {
	var parts []json.RawMessage
	var b booking
	if err := json.Unmarshal([]byte(value), &parts); err == nil && len(parts) == 3 {
		b.envelope = string(parts[0])
		if json.Unmarshal(parts[1], &b.exchange) == nil && json.Unmarshal(parts[2], &b.routingKey) == nil {
			return b, nil
		}
	}
	at := strings.LastIndex(value, `, "", "`)
	if at < 1 || value[0] != '[' || value[len(value)-1] != ']' {
		return b, fmt.Errorf("read booking: %.40q is not one", value)
	}
	b.envelope, b.exchange = value[1:at], ""
	if err := json.Unmarshal([]byte(value[at+len(`, "", `):len(value)-1]), &b.routingKey); err != nil {
		return b, fmt.Errorf("read booking: %.40q is not one: %w", value, err)
	}
	return b, nil
}

// marked returns the envelope with kombu's two marks of a repeated delivery. All else is kept as it was written,
// numbers to the last digit; what is no envelope is kept whole.
func marked(raw string) string {
	var e map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &e) != nil || e == nil {
		return raw
	}
	headers, ok := object(e["headers"])
	properties, okay := object(e["properties"])
	if !ok || !okay {
		return raw
	}
	info, ok := object(properties["delivery_info"])
	if !ok {
		return raw
	}
	headers["redelivered"] = json.RawMessage("true")
	info["redelivered"] = json.RawMessage("true")
	properties["delivery_info"] = encoded(info)
	e["headers"], e["properties"] = encoded(headers), encoded(properties)
	return string(encoded(e))
}

func object(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	m := map[string]json.RawMessage{}
	if len(raw) == 0 {
		return m, true
	}
	if json.Unmarshal(raw, &m) != nil {
		return nil, false
	}
	if m == nil { // it was null
		m = map[string]json.RawMessage{}
	}
	return m, true
}

func encoded(m map[string]json.RawMessage) json.RawMessage {
	data, _ := json.Marshal(m) // raw parts of what was just parsed always can
	return data
}
