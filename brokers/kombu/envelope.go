// Package kombu writes and reads the JSON envelope in which Celery's transports without queues of their own (Redis, SQL
// databases, MongoDB) keep a message.
package kombu

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
)

// Encode writes the envelope of a message that is published to an exchange under a routing key; to a queue itself, these
// are "" and the queue's name. A header that JSON cannot hold is a Definite error.
func Encode(m brokers.Message, exchange, key string) ([]byte, error) {
	buf := make([]byte, 0, 512+base64.StdEncoding.EncodedLen(len(m.Body))+64*len(m.Headers))
	buf = append(buf, `{"body":"`...)
	buf = base64.StdEncoding.AppendEncode(buf, m.Body)
	buf = appendString(append(buf, `","content-encoding":`...), m.ContentEncoding)
	buf = appendString(append(buf, `,"content-type":`...), m.ContentType)
	buf = append(buf, `,"headers":`...)
	var err error
	if buf, err = appendMap(buf, m.Headers); err != nil {
		return nil, brokers.Refusef("encode headers of message %s: %w", m.CorrelationID, err)
	}
	buf = appendString(append(buf, `,"properties":{"correlation_id":`...), m.CorrelationID)
	if m.ReplyTo != "" {
		buf = appendString(append(buf, `,"reply_to":`...), m.ReplyTo)
	}
	mode := byte('2')
	if m.Transient {
		mode = '1'
	}
	buf = append(append(buf, `,"delivery_mode":`...), mode)
	if m.Expiration > 0 {
		ms := (m.Expiration + time.Millisecond - 1) / time.Millisecond
		buf = append(strconv.AppendInt(append(buf, `,"expiration":"`...), int64(ms), 10), '"')
	}
	buf = appendString(append(buf, `,"delivery_info":{"exchange":`...), exchange)
	buf = appendString(append(buf, `,"routing_key":`...), key)
	buf = strconv.AppendUint(append(buf, `},"priority":`...), uint64(m.Priority), 10)
	buf = appendString(append(buf, `,"body_encoding":"base64","delivery_tag":`...), Identity())
	return append(buf, "}}"...), nil
}

// Identity is a random UUID: the publisher's delivery tag, or a consumer's name. It must differ between
// processes that know nothing of each other, so it comes from no seed.
func Identity() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

var errNoEnvelope = errors.New("no envelope")

// Decode reads what a queue holds, and tells whether kombu has marked it as redelivered. What is no envelope becomes a
// message whose body it is and that has no headers: it is for the worker to reject, and nothing here may stop at it. Of
// an envelope, what is missing or of another kind than usual is done without, as far as it can be.
func Decode(queue, raw string) (m brokers.Message, redelivered bool) {
	m, redelivered, err := unpack(raw)
	if err != nil {
		return brokers.Message{Queue: queue, Body: []byte(raw)}, false
	}
	m.Queue = queue
	return m, redelivered
}

func unpack(raw string) (m brokers.Message, redelivered bool, err error) {
	v, err := parseJSON(raw)
	if err != nil {
		return m, false, err
	}
	e, _ := v.(map[string]any)
	body, hasBody := e["body"].(string)
	headers, hasHeaders := e["headers"].(map[string]any)
	if !hasBody && !hasHeaders {
		return m, false, errNoEnvelope
	}
	p, _ := e["properties"].(map[string]any)
	m = brokers.Message{
		Headers: headers, ContentType: text(e["content-type"]), ContentEncoding: text(e["content-encoding"]),
		CorrelationID: text(p["correlation_id"]), ReplyTo: text(p["reply_to"]),
		Priority:   uint8(min(max(number(p["priority"]), 0), 255)),
		Expiration: time.Duration(number(p["expiration"])) * time.Millisecond,
		Transient:  number(p["delivery_mode"]) == 1,
	}
	if p["body_encoding"] == "base64" {
		m.Body, err = base64.StdEncoding.DecodeString(body)
	} else {
		m.Body = []byte(body)
	}
	info, _ := p["delivery_info"].(map[string]any)
	if redelivered = info["redelivered"] == true; redelivered {
		delete(headers, "redelivered") // the transport's mark, not the publisher's
	}
	return m, redelivered, err
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64) // what is no number counts as none
		return n
	}
	return 0
}
