package redis

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
)

// encode writes kombu's envelope. A header that JSON cannot hold is a Definite error.
func encode(m brokers.Message) ([]byte, error) {
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
	buf = appendString(append(buf, `,"delivery_info":{"exchange":"","routing_key":`...), m.Queue)
	buf = strconv.AppendUint(append(buf, `},"priority":`...), uint64(m.Priority), 10)
	buf = appendString(append(buf, `,"body_encoding":"base64","delivery_tag":`...), identity())
	return append(buf, "}}"...), nil
}

// identity is a random UUID: the publisher's delivery tag, or a consumer's name. It must differ between
// processes that know nothing of each other, so it comes from no seed.
func identity() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// envelope is what decode reads. The tolerant fields take what real publishers have been seen to write.
type envelope struct {
	Body            *string        `json:"body"`
	ContentEncoding string         `json:"content-encoding"`
	ContentType     string         `json:"content-type"`
	Headers         map[string]any `json:"headers"`
	Properties      struct {
		BodyEncoding  string `json:"body_encoding"`
		CorrelationID any    `json:"correlation_id"`
		ReplyTo       any    `json:"reply_to"`
		DeliveryMode  any    `json:"delivery_mode"`
		Priority      any    `json:"priority"`
		Expiration    any    `json:"expiration"`
		DeliveryInfo  struct {
			Redelivered bool `json:"redelivered"`
		} `json:"delivery_info"`
	} `json:"properties"`
}

var errNoEnvelope = errors.New("no envelope")

// decode reads an element of a queue's list. One that is no envelope becomes a message whose body is the element
// and that has no headers: it is for the worker to reject, and nothing here may stop at it.
func decode(queue, raw string) (m brokers.Message, redelivered bool) {
	m, redelivered, err := read(strings.NewReader(raw))
	if err != nil {
		if m, redelivered, err = read(bytes.NewReader(finite([]byte(raw)))); err != nil {
			return brokers.Message{Queue: queue, Body: []byte(raw)}, false
		}
	}
	m.Queue = queue
	return m, redelivered
}

func read(r io.Reader) (m brokers.Message, redelivered bool, err error) {
	var e envelope
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		return m, false, err
	}
	if _, err := d.Token(); err != io.EOF {
		return m, false, errNoEnvelope
	}
	if e.Body == nil && e.Headers == nil {
		return m, false, errNoEnvelope
	}
	p := &e.Properties
	m = brokers.Message{
		ContentType: e.ContentType, ContentEncoding: e.ContentEncoding,
		CorrelationID: text(p.CorrelationID), ReplyTo: text(p.ReplyTo),
		Priority:   uint8(min(max(number(p.Priority), 0), 255)),
		Expiration: time.Duration(number(p.Expiration)) * time.Millisecond,
		Transient:  number(p.DeliveryMode) == 1,
	}
	if e.Body != nil {
		m.Body = []byte(*e.Body)
	}
	if p.BodyEncoding == "base64" {
		if m.Body, err = base64.StdEncoding.AppendDecode(nil, m.Body); err != nil {
			return m, false, err
		}
	}
	if redelivered = p.DeliveryInfo.Redelivered; redelivered {
		delete(e.Headers, "redelivered") // the transport's mark, not the publisher's
	}
	if e.Headers != nil {
		m.Headers = plain(e.Headers).(map[string]any)
	}
	return m, redelivered, nil
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func number(v any) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(text(v)), 10, 64) // what is no number counts as none
	return n
}
