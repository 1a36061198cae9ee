package stream

import (
	"encoding/json"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// An entry is a message as it came.
type entry struct {
	queue      string
	fields     []any // names and values in turn
	deliveries int64
}

func (e entry) unpack() feed.Item {
	return feed.Item{Message: e.message(), Redelivered: e.deliveries > 1, Deliveries: int(e.deliveries)}
}

// message reads an entry. One that is none of ours is a message without headers, whose body is the entry's fields as
// JSON, for the worker to reject: then it goes to the dead letters as it is.
func (e entry) message() brokers.Message {
	if len(e.fields) == 2 && e.fields[0] == field {
		if value, ok := e.fields[1].(string); ok {
			if m, err := envelope.Decode([]byte(value)); err == nil {
				m.Queue = e.queue
				return m
			}
		}
	}
	fields := map[string]any{}
	for i := 0; i+1 < len(e.fields); i += 2 {
		if name, ok := e.fields[i].(string); ok {
			fields[name] = e.fields[i+1]
		}
	}
	body, _ := json.Marshal(fields) // strings always can
	return brokers.Message{Queue: e.queue, Body: body}
}
