package message

import (
	"encoding/json"

	"taskbench/brokers"
)

// Encode makes the JSON of one value as New encodes an argument, and refuses what New refuses.
func Encode(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return raw, Valid(raw)
	}
	return appendValue(nil, v)
}

// Message makes a message of a body whose parts are JSON already, which New would have to take apart and refuse in
// part: values of other workers, wrapped ones and NaN among them, go on as they came. The parts are not checked, and
// o.Embed is not looked at.
func (b Body) Message(task, id string, o Options) brokers.Message {
	text := b.encode()
	compress := o.Compress
	o.Compress, o.Embed = "", nil
	m, _ := New(task, id, nil, nil, o) // nothing in it can fail to be encoded
	m.Body = text
	compress.apply(&m)
	return m
}
