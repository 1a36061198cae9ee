package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

// An Event is what was told. Fields that its teller left out, or got wrong, are zero.
type Event struct {
	Type      string // "task-received", "worker-heartbeat", or anything
	Hostname  string // the node that told it
	PID       int
	Clock     int64     // its place among the events of the cluster
	Timestamp time.Time // when it happened, by the clock of its host
	Offset    int       // that host's time zone in whole hours west of UTC; Timestamp is right without it
	UUID      string    // of task events
	Received  time.Time // when it was received here
	Raw       json.RawMessage
}

// Group is the first word of the type: "task", "worker".
func (e Event) Group() string {
	group, _, _ := strings.Cut(e.Type, "-")
	return group
}

// Fields decodes into a struct with tags of encoding/json what the type has beyond the fields of an Event. Fields of
// a wrong type are left as they are, and the error names the first of them.
func (e Event) Fields(into any) error { return json.Unmarshal(e.Raw, into) }

// A Receiver hears the events of all workers. The zero value is ready; its methods are safe for concurrent use.
type Receiver struct {
	Clock *Clock // adjusted by what is heard; nil: nobody else needs it

	own    Clock
	broken atomic.Uint64
}

// What Celery says of a monitor's queue, where the server can be told: old events are worth nothing.
const (
	queueTTL     = 5 * time.Second
	queueExpires = time.Minute
)

// Broken is how many messages and events could not be read.
func (r *Receiver) Broken() uint64 { return r.broken.Load() }

// Listen hands over every event, in the order in which they come, on the caller's goroutine, until ctx ends (nil) or
// the connection is lost. Events that cannot be read are counted and left out. ready, unless nil, is called once
// nothing is missed any more.
func (r *Receiver) Listen(ctx context.Context, s Subscriber, ready func(), each func(Event)) error {
	messages, err := s.Subscribe(ctx, brokers.Binding{Exchange: Exchange, Key: "#", TTL: queueTTL, Expires: queueExpires})
	if err != nil {
		return fmt.Errorf("subscribe to events: %w", err)
	}
	if ready != nil {
		ready()
	}
	for m := range messages {
		events, _ := r.Decode(m) // counted
		for _, e := range events {
			each(e)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.New("the connection was lost while listening to events")
}

// Decode reads the events of one message, which holds one or a list. An error tells of what could not be read; the
// rest is returned all the same.
func (r *Receiver) Decode(m brokers.Message) ([]Event, error) {
	if t := m.ContentType; t != "" && t != "application/json" && t != "application/data" {
		return nil, r.fail(fmt.Errorf("read events: content type %q is not application/json", t))
	}
	body := bytes.TrimSpace(m.Body)
	if !json.Valid(body) {
		body = finite(body)
	}
	list := []json.RawMessage{body}
	if len(body) > 0 && body[0] == '[' {
		list = nil
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, r.fail(fmt.Errorf("read events: %w", err))
		}
	}
	var events []Event
	var errs []error
	now := time.Now()
	for _, raw := range list {
		e, err := r.read(raw, now)
		if err != nil {
			errs = append(errs, r.fail(fmt.Errorf("read an event: %w", err)))
			continue
		}
		events = append(events, e)
	}
	return events, errors.Join(errs...)
}

func (r *Receiver) fail(err error) error {
	r.broken.Add(1)
	return err
}

func (r *Receiver) clock() *Clock {
	if r.Clock != nil {
		return r.Clock
	}
	return &r.own
}

// read reads one event. Only its type is needed; whatever else is wrong with it is somebody else's business.
func (r *Receiver) read(raw json.RawMessage, now time.Time) (Event, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return Event{}, err
	}
	e := Event{Raw: raw, Received: now, Type: text(object["type"]), Hostname: text(object["hostname"]), UUID: text(object["uuid"])}
	if e.Type == "" {
		return Event{}, errors.New("it has no type")
	}
	pid, _ := number(object["pid"])
	offset, _ := number(object["utcoffset"])
	e.PID, e.Offset = int(pid), int(offset)
	if at, ok := number(object["timestamp"]); ok {
		e.Timestamp = unix(at)
	}
	r.order(&e, object["clock"])
	return e, nil
}

// order gives the event its place, and adjusts the clock. Clients never hear of anybody's clock, so what they say of
// theirs counts for nothing; an event without a clock happened now.
func (r *Receiver) order(e *Event, raw json.RawMessage) {
	clock := r.clock()
	told, ok := number(raw)
	switch {
	case e.Type == "task-sent":
		e.Clock = max(clock.Value(), 1) - 1
		clock.Adjust(e.Clock)
	case !ok:
		e.Clock = clock.Forward()
	default:
		e.Clock = int64(min(max(told, 0), farthest))
		clock.Adjust(e.Clock)
	}
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // what is no text is none
	return s
}

// number reads a number, also one in quotes, and one that Celery wraps as a decimal.
func number(raw json.RawMessage) (float64, bool) {
	var n json.Number // takes both
	if json.Unmarshal(raw, &n) != nil {
		var wrapped struct {
			Value json.Number `json:"__value__"`
		}
		if json.Unmarshal(raw, &wrapped) != nil {
			return 0, false
		}
		n = wrapped.Value
	}
	f, err := n.Float64()
	return f, err == nil
}

// unix is the time of a number of seconds, or none when no time.Time can be so far away and be written as JSON.
func unix(seconds float64) time.Time {
	const year9999 = 253402300799
	if seconds <= 0 || seconds > year9999 {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6))
}

// finite replaces what Python writes for numbers that are none, and JSON does not have, by null.
func finite(body []byte) []byte {
	out := make([]byte, 0, len(body)+8)
	inString := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inString {
			if c == '\\' && i+1 < len(body) {
				out = append(out, c)
				i++
				c = body[i]
			} else if c == '"' {
				inString = false
			}
			out = append(out, c)
			continue
		}
		inString = c == '"'
		skip := 0
		for _, word := range []string{"NaN", "-Infinity", "Infinity"} {
			if bytes.HasPrefix(body[i:], []byte(word)) {
				skip = len(word)
			}
		}
		if skip > 0 {
			out = append(out, "null"...)
			i += skip - 1
			continue
		}
		out = append(out, c)
	}
	return out
}
