// Package envelope turns a message into bytes and back, for brokers that keep messages in a form of their own.
//
// Every field but Queue is kept, with the kinds of header values that brokers.Message allows. Integers come back
// as int64 (uint64 where they are too large for that), lists as []any and maps as map[string]any.
package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
)

const version = 1

const transient = 1 // the only flag

// Append appends the encoded message to buf. A header value of a kind that no broker carries is an error, which
// is Definite: a message that cannot be encoded cannot have been sent.
func Append(buf []byte, m brokers.Message) ([]byte, error) {
	var flags byte
	if m.Transient {
		flags |= transient
	}
	buf = append(buf, version, flags, m.Priority)
	buf = binary.AppendVarint(buf, int64(m.Expiration))
	for _, s := range []string{m.ContentType, m.ContentEncoding, m.CorrelationID, m.ReplyTo} {
		buf = appendString(buf, s)
	}
	if m.Headers == nil {
		buf = append(buf, 0)
	} else {
		buf = append(buf, 1)
		var err error
		if buf, err = appendMap(buf, m.Headers); err != nil {
			return nil, brokers.Refusef("encode headers of message %s: %w", m.CorrelationID, err)
		}
	}
	return append(buf, m.Body...), nil
}

var errMangled = errors.New("decode message: it is cut short or mangled")

// Decode reads what Append wrote. The body shares memory with data.
func Decode(data []byte) (brokers.Message, error) {
	r := reader{data: data}
	m, err := r.front()
	if err != nil {
		return brokers.Message{}, err
	}
	m.ContentType = r.string()
	m.ContentEncoding = r.string()
	m.CorrelationID = r.string()
	m.ReplyTo = r.string()
	if r.byte() != 0 {
		m.Headers = r.mapping(0)
	}
	if r.bad {
		return brokers.Message{}, errMangled
	}
	m.Body = r.data[r.at:]
	return m, nil
}

// Peek reads only what a queue must know of an encoded message: Priority, Expiration and Transient.
func Peek(data []byte) (brokers.Message, error) {
	r := reader{data: data}
	return r.front()
}

func (r *reader) front() (brokers.Message, error) {
	if v := r.byte(); v != version && !r.bad {
		return brokers.Message{}, fmt.Errorf("decode message: version %d, and only %d is known", v, version)
	}
	m := brokers.Message{
		Transient:  r.byte()&transient != 0,
		Priority:   r.byte(),
		Expiration: time.Duration(r.varint()),
	}
	if r.bad {
		return brokers.Message{}, errMangled
	}
	return m, nil
}
