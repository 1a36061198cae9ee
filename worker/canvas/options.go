package canvas

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"taskbench/worker/message"
)

// Options say how a task is to be sent. Zero members say nothing. For a chain they concern the first task, except
// TaskID, which is the last one's; for a chord the body.
type Options struct {
	TaskID       string
	Queue        string
	ReplyTo      string
	Countdown    time.Duration // not before, from when it is sent
	ETA          time.Time     // not before; the earlier word of the two is ETA's
	Expires      time.Time     // not after
	ExpiresIn    time.Duration // not after, from when it is sent; Expires wins
	Priority     *uint8
	Soft         time.Duration // time limits
	Hard         time.Duration
	Headers      map[string]any // of the user's own
	IgnoreResult bool
	Shadow       string
	Compression  string         // "gzip" or "zstd"; with other codecs the message is sent as it is
	Stamps       map[string]any // names, and strings, numbers or lists of these
}

// Set adds options to those that the signature has.
func (s Signature) Set(o Options) Signature {
	set := func(name string, given bool, v any) {
		if given {
			s = s.With(name, v)
		}
	}
	set("task_id", o.TaskID != "", o.TaskID)
	set("queue", o.Queue != "", o.Queue)
	set("reply_to", o.ReplyTo != "", o.ReplyTo)
	set("countdown", o.Countdown > 0, o.Countdown.Seconds())
	set("eta", !o.ETA.IsZero(), message.FormatTime(o.ETA.UTC()))
	set("expires", o.ExpiresIn > 0, o.ExpiresIn.Seconds())
	set("expires", !o.Expires.IsZero(), message.FormatTime(o.Expires.UTC()))
	set("priority", o.Priority != nil, o.Priority)
	set("soft_time_limit", o.Soft > 0, o.Soft.Seconds())
	set("time_limit", o.Hard > 0, o.Hard.Seconds())
	set("headers", len(o.Headers) > 0, o.Headers)
	set("ignore_result", o.IgnoreResult, true)
	set("shadow", o.Shadow != "", o.Shadow)
	set("compression", o.Compression != "", o.Compression)
	names := slices.Sorted(maps.Keys(o.Stamps))
	set("stamped_headers", len(names) > 0, names)
	for _, name := range names {
		set(name, true, o.Stamps[name])
	}
	return s
}

// With sets one option by the name that Celery's apply_async has for it.
func (s Signature) With(option string, v any) Signature {
	raw, err := message.Encode(v)
	if err != nil {
		return s.fail(fmt.Errorf("%w: option %s of task %s: %w", ErrSignature, option, s.Task, err))
	}
	return s.option(option, raw)
}

// messageOptions reads the options of one task as those of its message. What concerns the workflow is not among
// them.
func (s Signature) messageOptions() (o message.Options, err error) {
	r := reader{s: s}
	o.Queue = r.queue()
	o.ReplyTo = r.text("reply_to")
	o.Shadow = r.text("shadow")
	o.GroupID = r.text("group_id")
	o.IgnoreResult = string(s.Options["ignore_result"]) == "true"
	o.ETA = r.time("eta")
	o.Countdown = r.seconds("countdown")
	o.Expires = r.time("expires")
	o.Soft, o.Hard = r.seconds("soft_time_limit"), r.seconds("time_limit")
	o.Priority = uint8(min(max(r.int("priority"), 0), 255))
	o.Transient = r.int("delivery_mode") == 1
	o.Compress, _ = message.ParseCompression(r.text("compression")) // an unknown one is left out: any worker reads that
	if raw := s.Options["group_index"]; !none(raw) {
		n := r.int("group_index")
		o.GroupIndex = &n
	}
	o.Headers = r.headers()
	o.Stamps = r.stamps()
	return o, r.err
}

// A reader takes options one by one and remembers the first that cannot be read.
type reader struct {
	s   Signature
	err error
}

func (r *reader) bad(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: option %s of task %s is %s", ErrSignature, name, r.s.Task, r.s.Options[name])
	}
}

func (r *reader) text(name string) string {
	raw := r.s.Options[name]
	text, ok := decodeString(raw)
	if !ok && !none(raw) {
		r.bad(name)
	}
	return text
}

// queue is the queue's name, or the routing key, which for the exchanges that clients publish to is the same.
func (r *reader) queue() string {
	if q, ok := decodeString(r.s.Options["queue"]); ok {
		return q
	}
	if named, err := message.Members(r.s.Options["queue"]); err == nil {
		if q, ok := decodeString(named["name"]); ok {
			return q
		}
	}
	return r.text("routing_key")
}

func (r *reader) number(name string) float64 {
	raw := r.s.Options[name]
	f, ok := decodeFloat(raw)
	if !ok && !none(raw) {
		r.bad(name)
	}
	return f
}

func (r *reader) int(name string) int { return int(r.number(name)) }

func (r *reader) seconds(name string) time.Duration {
	f := r.number(name)
	if f > 1e9 {
		r.bad(name)
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

// time is a moment, or a number of seconds from now.
func (r *reader) time(name string) time.Time {
	raw := r.s.Options[name]
	if none(raw) {
		return time.Time{}
	}
	v, err := message.Decode(raw)
	if err != nil {
		r.bad(name)
		return time.Time{}
	}
	switch v := v.(type) {
	case string:
		if t, err := message.ParseTime(v, time.UTC); err == nil {
			return t
		}
	case time.Time:
		return v
	case int64, float64:
		return time.Now().Add(r.seconds(name))
	}
	r.bad(name)
	return time.Time{}
}

func (r *reader) headers() map[string]any {
	h := map[string]any{}
	if raw := r.s.Options["headers"]; !none(raw) {
		v, _ := message.Decode(raw)
		own, ok := v.(map[string]any)
		if !ok {
			r.bad("headers")
		}
		maps.Copy(h, own)
	}
	for _, name := range [...]string{"retries", "replaced_task_nesting"} {
		if !none(r.s.Options[name]) {
			h[name] = r.int(name)
		}
	}
	return h
}

func (r *reader) stamps() map[string]any {
	raw := r.s.Options["stamped_headers"]
	if none(raw) {
		return nil
	}
	names, err := message.Elements(raw)
	if err != nil {
		r.bad("stamped_headers")
		return nil
	}
	stamps := make(map[string]any, len(names))
	for _, raw := range names {
		name, _ := decodeString(raw)
		if value, ok := r.s.Options[name]; ok {
			stamps[name], _ = message.Decode(json.RawMessage(value))
		}
	}
	return stamps
}
