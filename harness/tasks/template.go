package tasks

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"

	"taskbench/brokers"
	"taskbench/harness/scenario"
	"taskbench/worker/message"
)

// Placeholders in an encoded message: an id, and a number of microseconds, that nothing else looks like.
const (
	blankID = "00000000-0000-8000-8000-b1a2c3d4e5f6"
	blank   = 8090216803549171
)

// A template is a message encoded once, whose id and at most one number are filled in for each sending.
type template struct {
	sample     brokers.Message
	idHeaders  []string // the headers that hold the id
	head, tail []byte   // of the body, around the number; tail is nil when there is none
}

func newTemplate(t scenario.TaskMix, kwargs map[string]any) (template, error) {
	m, err := message.New(Prefix+t.Task, blankID, nil, kwargs, message.Options{Soft: t.Soft, Hard: t.Limit})
	if err != nil {
		return template{}, fmt.Errorf("encode its message: %w", err)
	}
	made := template{sample: m}
	for name, v := range m.Headers {
		if v == blankID {
			made.idHeaders = append(made.idHeaders, name)
		}
	}
	if head, tail, ok := bytes.Cut(m.Body, strconv.AppendInt(nil, blank, 10)); ok {
		made.head, made.tail = head, tail
	}
	return made, nil
}

func (t *template) variable() bool { return t.tail != nil }

// message is the template filled in.
func (t *template) message(id, queue string, number int64) brokers.Message {
	m := t.sample
	m.Queue, m.CorrelationID = queue, id
	m.Headers = maps.Clone(m.Headers)
	var boxed any = id
	for _, name := range t.idHeaders {
		m.Headers[name] = boxed
	}
	if t.variable() {
		body := make([]byte, 0, len(t.head)+20+len(t.tail))
		body = append(body, t.head...)
		body = strconv.AppendInt(body, number, 10)
		m.Body = append(body, t.tail...)
	}
	return m
}
