package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"taskbench/brokers"
)

// JSON is the only content type that a worker takes unless told otherwise.
const JSON = "application/json"

// A Task is a message that was recognised as a task. Its body has not been looked at, save in protocol 1,
// which keeps the task's name there.
type Task struct {
	Name     string
	ID       string
	Protocol int // 1 or 2; the hybrid is 2
	Retries  int
	ETA      time.Time     // zero: at once
	Expires  time.Time     // zero: never
	Soft     time.Duration // time limits of the message itself; 0 is none
	Hard     time.Duration
	Message  brokers.Message // as it came; unknown headers included

	body *Body
}

// Read recognises a task message. Accept lists the content types that are not refused; none stands for JSON.
// MessagePack and YAML are read as what they are, pickle never, and whatever else is accepted as JSON. Errors are of
// type *Error.
func Read(m brokers.Message, accept ...string) (Task, error) {
	t := Task{Protocol: 2, Message: m}
	name, isTask := m.Headers["task"]
	if isTask {
		t.Name, _ = name.(string)
		t.ID, _ = m.Headers["id"].(string)
	}
	if err := t.checkContent(accept); err != nil {
		return Task{}, err
	}
	if !isTask {
		return t.readObject()
	}
	if t.Name == "" {
		return Task{}, t.fail(BadHeader, fmt.Errorf("task is %v, not a name", name))
	}
	if t.ID == "" {
		return Task{}, t.fail(NoID, errors.New("the id header is absent or not a string"))
	}
	if err := t.readSchedule(m.Headers, time.UTC); err != nil {
		return Task{}, err
	}
	return t, nil
}

func (t *Task) checkContent(accept []string) error {
	ct := t.Message.ContentType
	if ct != JSON || len(accept) > 0 {
		if len(accept) == 0 {
			accept = []string{JSON}
		}
		if ct == pickle {
			return t.fail(Refused, errors.New("pickle can make its reader run anything: have the sender set task_serializer to json"))
		}
		if !slices.Contains(accept, ct) {
			return t.fail(Refused, fmt.Errorf("it is %q and only %q are accepted", ct, accept))
		}
	}
	switch t.Message.ContentEncoding {
	case "utf-8", "", "UTF-8", "utf8", "us-ascii", "ascii", "binary":
		return nil
	}
	return t.fail(Encoding, fmt.Errorf("it is %q, and JSON comes as utf-8", t.Message.ContentEncoding))
}

// readObject reads a message of protocol 1.
func (t *Task) readObject() (Task, error) {
	text, err := t.text()
	if err != nil {
		return Task{}, err
	}
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		if end, err := skip(text, i, 0); err != nil || atEnd(text, end) != nil {
			return Task{}, t.fail(Syntax, errors.New("it is not JSON and no header names a task"))
		}
		return Task{}, t.fail(Foreign, errors.New("no header names a task and the body is not an object"))
	}
	if !utf8.Valid(text) {
		return Task{}, t.fail(Syntax, errNoText)
	}
	o, err := t.parseObject(text, i)
	if err != nil {
		return Task{}, err
	}
	headers := make(map[string]any, 8)
	for _, key := range [...]string{"task", "id", "retries", "eta", "expires", "timelimit"} {
		if raw, ok := o[key]; ok {
			headers[key], _ = Decode(raw)
		}
	}
	t.Name, _ = headers["task"].(string)
	t.ID, _ = headers["id"].(string)
	if t.Name == "" {
		return Task{}, t.fail(Foreign, errors.New("an object that names no task"))
	}
	if t.ID == "" {
		return Task{}, t.fail(NoID, errors.New("the body has no id"))
	}
	body, err := o.body(t, text)
	if err != nil {
		return Task{}, err
	}
	t.Protocol, t.body = 1, &body
	zone := time.UTC
	if string(o["utc"]) == "false" {
		zone = time.Local
	}
	if err := t.readSchedule(headers, zone); err != nil {
		return Task{}, err
	}
	return *t, nil
}

// readSchedule reads the headers by which a worker decides when and how often to run the task.
func (t *Task) readSchedule(headers map[string]any, zone *time.Location) (err error) {
	if v := headers["eta"]; v != nil {
		if t.ETA, err = timestamp(v, zone); err != nil {
			return t.fail(BadHeader, fmt.Errorf("eta: %w", err))
		}
	}
	if v := headers["expires"]; v != nil {
		if t.Expires, err = timestamp(v, zone); err != nil {
			return t.fail(BadHeader, fmt.Errorf("expires: %w", err))
		}
	}
	if v := headers["retries"]; v != nil {
		n, ok := number(v)
		if !ok || n < 0 || n != math.Trunc(n) || n > math.MaxInt32 {
			return t.fail(BadHeader, fmt.Errorf("retries is %v, not a count", v))
		}
		t.Retries = int(n)
	}
	if v := headers["timelimit"]; v != nil {
		list, ok := v.([]any)
		if !ok || len(list) != 2 {
			return t.fail(BadHeader, fmt.Errorf("timelimit is %v, not [hard, soft]", v))
		}
		for i, into := range [...]*time.Duration{&t.Hard, &t.Soft} {
			seconds, ok := number(list[i])
			if list[i] != nil && (!ok || seconds < 0 || seconds > 1e9) {
				return t.fail(BadHeader, fmt.Errorf("timelimit is %v, not two numbers of seconds", v))
			}
			*into = time.Duration(seconds * float64(time.Second))
		}
	}
	return nil
}

func (t *Task) fail(r Reason, err error) error {
	return &Error{Reason: r, Task: t.Name, ID: t.ID, Err: err}
}

// number takes a number of any kind that drivers deliver.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int8:
		return float64(v), true
	case int16:
		return float64(v), true
	case uint8:
		return float64(v), true
	case uint16:
		return float64(v), true
	case uint32:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float32:
		return float64(v), true
	}
	return 0, false
}
