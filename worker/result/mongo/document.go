package mongo

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// largest is the size of a record in bytes that fits into one document of MongoDB, which has 16 MiB with its names.
const largest = 16<<20 - 16<<10

// encode makes Celery's document. The parts that package result writes as JSON become native, but for the result.
func encode(r result.Record) (bson.M, error) {
	if r.State.Ready() && r.Done.IsZero() {
		r.Done = time.Now()
	}
	text, err := result.EncodeWithin(r, largest)
	if err != nil {
		return nil, err
	}
	fields, err := message.Members(text)
	if err != nil {
		return nil, err
	}
	doc := bson.M{"_id": r.TaskID}
	for name, raw := range fields {
		switch name {
		case "task_id":
		case "result":
			doc[name] = string(raw)
		case "date_done":
			if doc[name] = nil; !r.Done.IsZero() {
				doc[name] = r.Done.UTC()
			}
		default:
			v, err := message.Decode(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			doc[name] = native(v)
		}
	}
	return doc, nil
}

// native leaves what BSON has as it is. A number beyond its integers becomes text.
func native(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = native(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = native(v[k])
		}
	}
	return v
}

// decode reads a document of any Celery version, by way of the one that key/value backends have.
func decode(id string, doc bson.M) (result.Record, error) {
	fields := map[string]json.RawMessage{}
	for name, v := range doc {
		switch name {
		case "_id":
			continue
		case "result":
			text, ok := v.(string)
			if !ok {
				return result.Record{}, fmt.Errorf("%w: its result is a %T", result.ErrBroken, v)
			}
			fields[name] = json.RawMessage(text)
			continue
		}
		raw, err := json.Marshal(plain(v))
		if err != nil {
			continue // of no member that we read
		}
		fields[name] = raw
	}
	fields["task_id"], _ = json.Marshal(id) // a string always encodes
	buf := []byte{'{'}
	for name, raw := range fields {
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		key, _ := json.Marshal(name) // likewise
		buf = append(append(append(buf, key...), ':'), raw...)
	}
	r, err := result.Decode(append(buf, '}'))
	if err != nil {
		return result.Record{}, fmt.Errorf("%w: %w", result.ErrBroken, err)
	}
	return r, nil
}

// plain is what encoding/json writes as we read it.
func plain(v any) any {
	switch v := v.(type) {
	case bson.DateTime:
		return message.FormatTime(v.Time().UTC())
	case bson.A:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case bson.M:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = plain(v[k])
		}
		return m
	case bson.D:
		m := make(map[string]any, len(v))
		for _, e := range v {
			m[e.Key] = plain(e.Value)
		}
		return m
	}
	return v
}

// groupTuple is the tuple as SaveGroup stored it, or that of the members' ids.
func groupTuple(id string, text []byte) (json.RawMessage, error) {
	parts, err := message.Elements(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", result.ErrBroken, err)
	}
	var first string
	if len(parts) == 0 || json.Unmarshal(parts[0], &first) != nil {
		return text, nil
	}
	members := make([]any, len(parts))
	for i, p := range parts {
		members[i] = []any{[]any{p, nil}, nil}
	}
	return json.Marshal([]any{[]any{id, nil}, members})
}
