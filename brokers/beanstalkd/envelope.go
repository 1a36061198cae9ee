package beanstalkd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"taskbench/brokers"
)

const version = 1

// An envelope is a job's body: JSON, so that people and other clients can read it. The message's own body is in base64.
type envelope struct {
	Version    int            `json:"taskbench"`
	Properties properties     `json:"properties"`
	Headers    map[string]any `json:"headers"`
	Body       []byte         `json:"body"`
}

type properties struct {
	ContentType     string        `json:"content_type,omitempty"`
	ContentEncoding string        `json:"content_encoding,omitempty"`
	CorrelationID   string        `json:"correlation_id,omitempty"`
	ReplyTo         string        `json:"reply_to,omitempty"`
	Priority        uint8         `json:"priority,omitempty"`
	Expiration      time.Duration `json:"expiration_ns,omitempty"`
	Transient       bool          `json:"transient,omitempty"`
}

// encode writes the envelope of a message. A header that JSON cannot hold is a Definite error.
func encode(m brokers.Message) ([]byte, error) {
	body := m.Body
	if body == nil {
		body = []byte{} // null is no body
	}
	data, err := json.Marshal(envelope{
		Version: version, Headers: m.Headers, Body: body,
		Properties: properties{
			ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, CorrelationID: m.CorrelationID,
			ReplyTo: m.ReplyTo, Priority: m.Priority, Expiration: m.Expiration, Transient: m.Transient,
		},
	})
	if err != nil {
		return nil, brokers.Refusef("encode message %s: %w", m.CorrelationID, err)
	}
	return data, nil
}

// decode reads a job. One that is no envelope of ours becomes a message whose body is the job and that has no headers:
// it is for the worker to reject, and nothing here may stop at it.
func decode(queue string, job []byte, priority uint32) brokers.Message {
	m, err := unpack(job)
	if err != nil {
		m = brokers.Message{Body: job, Priority: uint8(min(priority, math.MaxUint8))}
	}
	m.Queue = queue
	return m
}

var errNoEnvelope = errors.New("no envelope")

func unpack(job []byte) (brokers.Message, error) {
	var e envelope
	d := json.NewDecoder(bytes.NewReader(job))
	d.UseNumber() // an integer beyond 2^53 is not to be rounded
	if err := d.Decode(&e); err != nil {
		return brokers.Message{}, fmt.Errorf("decode job: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || e.Version != version || e.Body == nil {
		return brokers.Message{}, errNoEnvelope
	}
	for name, v := range e.Headers {
		e.Headers[name] = plain(v)
	}
	p := e.Properties
	return brokers.Message{
		Headers: e.Headers, Body: e.Body, ContentType: p.ContentType, ContentEncoding: p.ContentEncoding,
		CorrelationID: p.CorrelationID, ReplyTo: p.ReplyTo, Priority: p.Priority, Expiration: p.Expiration, Transient: p.Transient,
	}, nil
}

// plain makes integers int64, or uint64 where they need it, and other numbers float64, in place.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64() // beyond float64 it is infinite, which is near enough
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
	}
	return v
}
