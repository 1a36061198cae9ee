package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Body is what a task is called with. Its parts are still JSON, in kombu's dialect, and share memory with the
// message.
type Body struct {
	Args   []json.RawMessage
	Kwargs map[string]json.RawMessage // nil when there are none
	Embed  json.RawMessage            // callbacks, errbacks, chain and chord: an object, null, or nil
}

// Body cuts the message's body into its parts. Its errors are of type *Error.
func (t *Task) Body() (Body, error) {
	if t.body != nil {
		return *t.body, nil
	}
	text, err := t.text()
	if err != nil {
		return Body{}, err
	}
	return t.parse(text)
}

var errNoText = errors.New("it is not UTF-8")

func (t *Task) parse(text []byte) (Body, error) {
	if !utf8.Valid(text) {
		return Body{}, t.fail(Syntax, errNoText)
	}
	i := space(text, 0)
	switch {
	case i < len(text) && text[i] == '[':
		return t.parseTriple(text, i)
	case i < len(text) && text[i] == '{':
		o, err := t.parseObject(text, i)
		if err != nil {
			return Body{}, err
		}
		return o.body(t, text)
	}
	end, err := skip(text, i, 0)
	if err == nil {
		err = atEnd(text, end)
	}
	if err != nil {
		return Body{}, t.fail(Syntax, err)
	}
	return Body{}, t.fail(Shape, errors.New("it is neither an array of three nor an object"))
}

func (t *Task) parseTriple(text []byte, i int) (Body, error) {
	var parts [3]json.RawMessage
	n := 0
	end, err := elements(text, i, func(raw []byte) {
		if n < len(parts) {
			parts[n] = raw
		}
		n++
	})
	if err == nil {
		err = atEnd(text, end)
	}
	if err != nil {
		return Body{}, t.fail(Syntax, err)
	}
	if n != len(parts) {
		return Body{}, t.fail(Shape, fmt.Errorf("an array of %d, and protocol 2 has [args, kwargs, embed]", n))
	}
	return t.assemble(text, parts[0], parts[1], parts[2])
}

// assemble checks the three parts' kinds. Absent parts are nil.
func (t *Task) assemble(text []byte, args, kwargs, embed json.RawMessage) (Body, error) {
	b := Body{Embed: embed}
	switch {
	case args == nil || string(args) == "null":
	case args[0] != '[':
		return Body{}, t.fail(Shape, errors.New("args are not an array"))
	case len(args) > 2:
		_, _ = elements(args, 0, func(raw []byte) { b.Args = append(b.Args, raw) }) // checked with the whole
	}
	switch {
	case kwargs == nil || string(kwargs) == "null":
	case kwargs[0] != '{':
		return Body{}, t.fail(Shape, errors.New("kwargs are not an object"))
	case len(kwargs) > 2:
		b.Kwargs = make(map[string]json.RawMessage)
		_, _ = members(kwargs, 0, func(key string, raw []byte) { b.Kwargs[key] = raw })
	}
	// Celery cannot decode a message with a type that it does not know, wherever it stands; nor may we run it.
	if bytes.Contains(text, []byte(typeKey)) {
		if _, err := Decode(text); err != nil {
			return Body{}, t.fail(Syntax, err)
		}
	}
	return b, nil
}

// object is a body of protocol 1, which carries what protocol 2 has in headers.
type object map[string]json.RawMessage

func (t *Task) parseObject(text []byte, i int) (object, error) {
	o := make(object, 16)
	end, err := members(text, i, func(key string, raw []byte) { o[key] = raw })
	if err == nil {
		err = atEnd(text, end)
	}
	if err != nil {
		return nil, t.fail(Syntax, err)
	}
	return o, nil
}

// body assembles what a task is called with.
func (o object) body(t *Task, text []byte) (Body, error) {
	args, ok := o["args"]
	if !ok {
		return Body{}, t.fail(Shape, errors.New("an object without args"))
	}
	return t.assemble(text, args, o["kwargs"], o.embed())
}

// embed gathers what protocol 2 would embed.
func (o object) embed() json.RawMessage {
	buf := []byte{'{'}
	for _, name := range [...]string{"callbacks", "errbacks", "chain", "chord"} {
		raw, ok := o[name]
		if !ok {
			raw = json.RawMessage("null")
		}
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		buf = append(append(append(buf, '"'), name...), '"', ':')
		buf = append(buf, raw...)
	}
	return append(buf, '}')
}

// unquote decodes a JSON string whose syntax was checked.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(quoted, &s)
	return s
}
