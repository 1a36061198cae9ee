package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"taskbench/brokers"
)

// Options are the parts of a task message that most do not need.
type Options struct {
	Queue     string // "" is brokers.DefaultQueue
	Priority  uint8
	ETA       time.Time     // not before
	Countdown time.Duration // the same, counted from now; ETA wins
	Expires   time.Time     // not after
	Soft      time.Duration // time limits for this message; 0 leaves them to the worker
	Hard      time.Duration
	RootID    string // "" is the task's own id
	ParentID  string
	ReplyTo   string
	Headers   map[string]any // added to the message's own, and win
	Compress  Compression    // of the body; "" is none
	Transient bool
	Embed     json.RawMessage // callbacks, errbacks, chain and chord as one JSON object; nil for none

	IgnoreResult bool           // whatever the task's own setting, its result is not stored
	Shadow       string         // shown in place of the task's name; what runs is the same
	GroupID      string         // of the group or chord that the task is a member of
	GroupIndex   *int           // its position there; nil is not known
	Stamps       map[string]any // go along into all that the task sends; names, and strings, numbers or lists of these
}

// embed is the third part of a body whose task is in no workflow.
const embed = `, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`

var errEmbed = errors.New("the embedded workflow is no JSON object")

// Values that are the same in every message, boxed once.
var (
	lang   any = "go"
	origin any = func() string {
		host, _ := os.Hostname()
		return "gen" + strconv.Itoa(os.Getpid()) + "@" + host
	}()
)

// New makes a message of protocol 2. Headers whose value would be null are left out: no Celery version misses
// them. The error says which argument JSON cannot hold; an object with just the keys __type__ and __value__ is
// one, since a Python worker would take it for something else.
func New(task, id string, args []any, kwargs map[string]any, o Options) (brokers.Message, error) {
	body, err := encodeBody(args, kwargs, o.Embed)
	if err != nil {
		return brokers.Message{}, fmt.Errorf("encode task %s: %w", task, err)
	}
	var boxed any = id
	headers := make(map[string]any, 8)
	headers["lang"] = lang
	headers["task"] = task
	headers["id"] = boxed
	headers["root_id"] = boxed
	headers["retries"] = 0
	headers["origin"] = origin
	m := brokers.Message{
		Queue:           o.Queue,
		Headers:         headers,
		Body:            body,
		ContentType:     JSON,
		ContentEncoding: "utf-8",
		CorrelationID:   id,
		ReplyTo:         o.ReplyTo,
		Priority:        o.Priority,
		Transient:       o.Transient,
	}
	if m.Queue == "" {
		m.Queue = brokers.DefaultQueue
	}
	o.apply(&m)
	return m, nil
}

// apply sets what only some messages have.
func (o *Options) apply(m *brokers.Message) {
	if o.RootID != "" {
		m.Headers["root_id"] = o.RootID
	}
	if o.ParentID != "" {
		m.Headers["parent_id"] = o.ParentID
	}
	if o.ETA.IsZero() && o.Countdown > 0 {
		o.ETA = time.Now().Add(o.Countdown)
	}
	if !o.ETA.IsZero() {
		m.Headers["eta"] = FormatTime(o.ETA.UTC())
	}
	if !o.Expires.IsZero() {
		m.Headers["expires"] = FormatTime(o.Expires.UTC())
		m.Expiration = timeToLive(o.Expires)
	}
	if o.Soft > 0 || o.Hard > 0 {
		m.Headers["timelimit"] = []any{seconds(o.Hard), seconds(o.Soft)}
	}
	o.mark(m.Headers)
	maps.Copy(m.Headers, o.Headers)
	o.Compress.apply(m)
}

// mark says what the task belongs to and what becomes of its result.
func (o *Options) mark(headers map[string]any) {
	if o.IgnoreResult {
		headers["ignore_result"] = true
	}
	if o.Shadow != "" {
		headers["shadow"] = o.Shadow
	}
	if o.GroupID != "" {
		headers["group"] = o.GroupID
	}
	if o.GroupIndex != nil {
		headers["group_index"] = *o.GroupIndex
	}
	if len(o.Stamps) > 0 {
		names := make([]any, 0, len(o.Stamps))
		for _, name := range slices.Sorted(maps.Keys(o.Stamps)) {
			names = append(names, name)
		}
		headers["stamped_headers"], headers["stamps"] = names, maps.Clone(o.Stamps)
	}
}

func seconds(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d.Seconds()
}

func encodeBody(args []any, kwargs map[string]any, workflow json.RawMessage) ([]byte, error) {
	buf := append(make([]byte, 0, 128), "[["...)
	var err error
	for i, v := range args {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		if buf, err = appendValue(buf, v); err != nil {
			return nil, fmt.Errorf("argument %d: %w", i, err)
		}
	}
	buf = append(buf, "], "...)
	if len(kwargs) == 0 {
		buf = append(buf, "{}"...)
	} else if buf, err = appendValue(buf, kwargs); err != nil {
		return nil, fmt.Errorf("keyword arguments: %w", err)
	}
	if workflow == nil {
		return append(buf, embed...), nil
	}
	if err := Valid(workflow); err != nil {
		return nil, fmt.Errorf("embedded workflow: %w", err)
	}
	if workflow[space(workflow, 0)] != '{' {
		return nil, errEmbed
	}
	return append(append(append(buf, ", "...), workflow...), ']'), nil
}

// appendValue knows the common kinds and leaves the rest to encoding/json.
func appendValue(buf []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case int:
		return strconv.AppendInt(buf, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(buf, v, 10), nil
	case string:
		if plain(v) {
			return append(append(append(buf, '"'), v...), '"'), nil
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(raw, []byte(typeKey)) {
		if err := refuseWrappers(raw); err != nil {
			return nil, err
		}
	}
	return append(buf, raw...), nil
}

// plain tells whether a string needs no escaping.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

var errReserved = errors.New("an object with just the keys __type__ and __value__ is reserved")

// refuseWrappers looks for what a Python worker would unwrap in JSON of our own.
func refuseWrappers(raw []byte) (err error) {
	look := func(raw []byte) {
		if err == nil {
			err = refuseWrappers(raw)
		}
	}
	switch raw[0] {
	case '[':
		_, _ = elements(raw, 0, look)
	case '{':
		wrapper, other := 0, 0
		_, _ = members(raw, 0, func(key string, item []byte) {
			if key == "__type__" || key == "__value__" {
				wrapper++
			} else {
				other++
			}
			look(item)
		})
		if wrapper == 2 && other == 0 {
			return errReserved
		}
	}
	return err
}
