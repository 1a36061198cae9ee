package message

import (
	"encoding/json"
	"maps"
	"time"

	"taskbench/brokers"
)

// Retry makes the message of a task's next try: the same in everything, one retry further, and not before eta. A task
// without a parent becomes its own, as with Celery, and one that has a parent keeps it.
func (t *Task) Retry(eta time.Time) brokers.Message {
	if t.Protocol == 1 {
		return t.retryOld(eta)
	}
	m := t.Message
	m.Headers = maps.Clone(m.Headers)
	m.Headers["retries"] = t.Retries + 1
	adopt(m.Headers, t.ID)
	m.Headers["eta"] = FormatTime(eta.UTC())
	m.Expiration = timeToLive(t.Expires)
	return m
}

// adopt names the parent of a task that has none.
func adopt(headers map[string]any, id string) {
	if p := headers["parent_id"]; p == nil || p == "" {
		headers["parent_id"] = id
	}
}

// timeToLive is the broker's bound for a message that is sent now; 0 is none.
func timeToLive(expires time.Time) time.Duration {
	if expires.IsZero() {
		return 0
	}
	return max(time.Until(expires), time.Millisecond) // a message that is past already still needs one
}

// retryOld turns a message of protocol 1 into one of protocol 2: every worker that knows the former knows the
// latter.
func (t *Task) retryOld(eta time.Time) brokers.Message {
	m := t.Message
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]any{}
	}
	delete(m.Headers, "compression")
	m.Headers["lang"] = lang
	m.Headers["task"] = t.Name
	m.Headers["id"] = t.ID
	m.Headers["root_id"] = t.ID
	adopt(m.Headers, t.ID)
	m.Headers["retries"] = t.Retries + 1
	m.Headers["eta"] = FormatTime(eta.UTC())
	if !t.Expires.IsZero() {
		m.Headers["expires"] = FormatTime(t.Expires.UTC())
	}
	if t.Soft > 0 || t.Hard > 0 {
		m.Headers["timelimit"] = []any{seconds(t.Hard), seconds(t.Soft)}
	}
	m.Expiration = timeToLive(t.Expires)
	m.Body, m.ContentType, m.ContentEncoding = t.body.encode(), JSON, "utf-8"
	return m
}

func (b *Body) encode() []byte {
	buf := []byte("[[")
	for i, raw := range b.Args {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = append(buf, raw...)
	}
	buf = append(buf, "], {"...)
	first := true
	for name, raw := range b.Kwargs {
		if !first {
			buf = append(buf, ", "...)
		}
		first = false
		key, _ := json.Marshal(name) // a string always encodes
		buf = append(append(append(buf, key...), ": "...), raw...)
	}
	return append(append(append(buf, "}, "...), b.Embed...), ']')
}
