package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"taskbench/worker/message"
)

// Encode writes a record as the document that Celery's key/value backends store and publish: JSON in kombu's dialect,
// ASCII or not as the record's parts are. An error is ErrRefused, and says which part is not JSON.
func Encode(r Record) ([]byte, error) {
	value, err := r.result()
	if err != nil {
		return nil, fmt.Errorf("encode result of task %s: %w: %w", r.TaskID, ErrRefused, err)
	}
	d := document{buf: make([]byte, 0, 256+len(value))}
	d.add("status", quote(string(r.State)))
	d.add("result", value)
	d.add("traceback", orNull(r.traceback()))
	d.list("children", r.Children)
	done := []byte("null")
	if !r.Done.IsZero() {
		done = quote(message.FormatTime(r.Done.UTC()))
	}
	d.add("date_done", done)
	if r.GroupID != "" {
		d.add("group_id", quote(r.GroupID))
	}
	if r.ParentID != "" {
		d.add("parent_id", quote(r.ParentID))
	}
	if x := r.Extended; x != nil {
		d.add("name", quote(x.Name))
		d.value("args", x.Args)
		d.value("kwargs", x.Kwargs)
		d.add("worker", quote(x.Worker))
		d.add("retries", strconv.AppendInt(nil, int64(x.Retries), 10))
		d.add("queue", quote(x.Queue))
	}
	d.add("task_id", quote(r.TaskID))
	if d.err != nil {
		return nil, fmt.Errorf("encode result of task %s: %w: %w", r.TaskID, ErrRefused, d.err)
	}
	return append(d.buf, '}'), nil
}

// EncodeWithin is Encode for a backend that takes no documents of more than so many bytes.
func EncodeWithin(r Record, most int) ([]byte, error) {
	doc, err := Encode(r)
	if err == nil && len(doc) > most {
		return nil, fmt.Errorf("%w: it has %d bytes, and %d are taken: have the task return less, or where it is kept", ErrRefused, len(doc), most)
	}
	return doc, err
}

// EncodeReply writes the record as Celery's rpc backend sends it: the same without the members that the client
// knows anyway.
func EncodeReply(r Record) ([]byte, error) {
	value, err := r.result()
	if err != nil {
		return nil, fmt.Errorf("encode result of task %s: %w: %w", r.TaskID, ErrRefused, err)
	}
	d := document{buf: make([]byte, 0, 128+len(value))}
	d.add("task_id", quote(r.TaskID))
	d.add("status", quote(string(r.State)))
	d.add("result", value)
	d.add("traceback", orNull(r.traceback()))
	d.list("children", r.Children)
	if d.err != nil {
		return nil, fmt.Errorf("encode result of task %s: %w: %w", r.TaskID, ErrRefused, d.err)
	}
	return append(d.buf, '}'), nil
}

// result is the member of that name: the value or the exception.
func (r *Record) result() (json.RawMessage, error) {
	switch {
	case r.Exception != nil:
		for i, a := range r.Exception.Args {
			if err := message.Valid(a); err != nil {
				return nil, fmt.Errorf("argument %d of its exception: %w", i, err)
			}
		}
		return r.Exception.Encode(), nil
	case r.State == Failure || r.State == Revoked || r.State == Retry:
		return NewException(Builtins, "Exception").Encode(), nil // a Python client fails on anything else
	case r.Value == nil:
		return json.RawMessage("null"), nil
	}
	if err := message.Valid(r.Value); err != nil {
		return nil, fmt.Errorf("its value: %w", err)
	}
	return r.Value, nil
}

func (r *Record) traceback() string {
	if r.Exception == nil {
		return ""
	}
	return r.Exception.Traceback
}

func orNull(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return quote(s)
}

// A document is an object being written.
type document struct {
	buf []byte
	err error
}

func (d *document) add(name string, raw []byte) {
	if len(d.buf) == 0 {
		d.buf = append(d.buf, '{')
	} else {
		d.buf = append(d.buf, ", "...)
	}
	d.buf = append(append(d.buf, '"'), name...)
	d.buf = append(append(d.buf, `": `...), raw...)
}

// value adds JSON of the caller's.
func (d *document) value(name string, raw json.RawMessage) {
	if raw == nil {
		raw = json.RawMessage("null")
	}
	if err := message.Valid(raw); err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", name, err)
	}
	d.add(name, raw)
}

func (d *document) list(name string, items []json.RawMessage) {
	for i, item := range items {
		if err := message.Valid(item); err != nil && d.err == nil {
			d.err = fmt.Errorf("%s %d: %w", name, i, err)
		}
	}
	d.add(name, appendList(nil, items))
}

var errNoTask = errors.New("it names no task")

// Decode reads a document of any Celery version. Members that it does not know are skipped, absent ones are as if
// null; only the task's id and its state must be there. The record shares memory with raw.
func Decode(raw []byte) (Record, error) {
	if !utf8.Valid(raw) {
		return Record{}, errors.New("decode result: it is not UTF-8")
	}
	fields, err := message.Members(raw)
	if err != nil {
		return Record{}, fmt.Errorf("decode result: %w", err)
	}
	r := Record{TaskID: text(fields["task_id"]), State: State(text(fields["status"]))}
	if r.TaskID == "" {
		return Record{}, fmt.Errorf("decode result: %w", errNoTask)
	}
	if r.State == "" {
		return Record{}, fmt.Errorf("decode result of task %s: it has no status", r.TaskID)
	}
	if err := r.SetResult(fields["result"], text(fields["traceback"])); err != nil {
		return Record{}, fmt.Errorf("decode result of task %s: %w", r.TaskID, err)
	}
	r.Children, _ = message.Elements(orNothing(fields["children"])) // a list or null; anything else is nothing
	if r.Done, err = parseDone(fields["date_done"]); err != nil {
		return Record{}, fmt.Errorf("decode result of task %s: date_done: %w", r.TaskID, err)
	}
	r.GroupID, r.ParentID = text(fields["group_id"]), text(fields["parent_id"])
	if _, extended := fields["name"]; extended {
		x := &Extended{Name: text(fields["name"]), Args: notNull(fields["args"]), Kwargs: notNull(fields["kwargs"]), Worker: text(fields["worker"]), Queue: text(fields["queue"])}
		x.Retries, _ = strconv.Atoi(string(fields["retries"])) // null before the first
		r.Extended = x
	}
	return r, nil
}

// SetResult fills in Value or Exception, by the record's state, from what a document holds as its result.
func (r *Record) SetResult(raw json.RawMessage, traceback string) (err error) {
	switch r.State {
	case Failure, Retry, Revoked:
		if r.Exception, err = ParseException(orNothing(raw)); err != nil {
			return err
		}
		r.Exception.Traceback = traceback
		return nil
	}
	r.Value = notNull(raw)
	if r.State == Success {
		r.Value = orNothing(raw)
	}
	return nil
}

// parseDone reads both forms: naive, which is UTC, and with an offset.
func parseDone(raw json.RawMessage) (time.Time, error) {
	v, err := message.Decode(orNothing(raw))
	if err != nil || v == nil {
		return time.Time{}, err
	}
	switch v := v.(type) {
	case time.Time: // wrapped, by kombu's dialect
		return v.UTC(), nil
	case string:
		t, err := message.ParseTime(v, time.UTC)
		return t.UTC(), err
	}
	return time.Time{}, fmt.Errorf("%s is not a time", raw)
}

func orNothing(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

func notNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}
