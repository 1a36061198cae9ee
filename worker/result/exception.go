package result

import (
	"encoding/json"
	"errors"
	"strings"

	"taskbench/worker/message"
)

// Builtins is the module of Python's own exceptions, which every client knows.
const Builtins = "builtins"

// NewException makes an exception. Arguments that JSON cannot hold are kept as their text. A Python client gets the
// class of that name if it can import it from the module, and else a new one of that name.
func NewException(module, class string, args ...any) *Exception {
	x := &Exception{Type: class, Module: module, Args: make([]json.RawMessage, 0, len(args))}
	for _, a := range args {
		raw, err := json.Marshal(a)
		if err != nil {
			raw = quote(err.Error())
		}
		x.Args = append(x.Args, raw)
	}
	return x
}

// FromError turns an error of a task's function into what is kept of it. An Exception in its chain is kept as it is;
// any other error becomes a builtins.Exception with its text. Nil stays nil.
func FromError(err error) *Exception {
	var x *Exception
	switch {
	case err == nil:
		return nil
	case errors.As(err, &x) && x != nil:
		return x
	}
	return NewException(Builtins, "Exception", err.Error())
}

// Error is how Python shows the exception at the end of a traceback.
func (x *Exception) Error() string {
	name := x.Type
	if x.Module != "" && x.Module != Builtins {
		name = x.Module + "." + name
	}
	switch len(x.Args) {
	case 0:
		return name
	case 1:
		return name + ": " + plain(x.Args[0])
	}
	parts := make([]string, len(x.Args))
	for i, a := range x.Args {
		parts[i] = string(a)
	}
	return name + ": (" + strings.Join(parts, ", ") + ")"
}

// plain shows a string without its quotes.
func plain(raw json.RawMessage) string {
	if v, err := message.Decode(raw); err == nil {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return string(raw)
}

// Encode is the form in which documents and chord parts hold the exception; the traceback is not in it.
func (x *Exception) Encode() json.RawMessage {
	buf := append([]byte(`{"exc_type": `), quote(x.Type)...)
	buf = append(buf, `, "exc_message": `...)
	buf = appendList(buf, x.Args)
	buf = append(buf, `, "exc_module": `...)
	if x.Module == "" { // a client makes the class up
		return append(buf, "null}"...)
	}
	return append(append(buf, quote(x.Module)...), '}')
}

// ParseException reads what Encode writes, and tolerates what other writers make of it: arguments that are one string
// or any other value, no module, and in place of the object a plain value, which becomes the argument of a
// builtins.Exception. An error says that raw is not JSON.
func ParseException(raw json.RawMessage) (*Exception, error) {
	if err := message.Valid(raw); err != nil {
		return nil, err
	}
	fields, err := message.Members(raw)
	if err != nil || len(fields) == 0 {
		x := &Exception{Type: "Exception", Module: Builtins}
		if err != nil {
			x.Args = []json.RawMessage{raw}
		}
		return x, nil
	}
	x := &Exception{Type: text(fields["exc_type"]), Module: text(fields["exc_module"])}
	if x.Type == "" {
		x.Type = "Exception"
	}
	switch args := fields["exc_message"]; {
	case args == nil || string(args) == "null":
	case args[0] == '[':
		x.Args, _ = message.Elements(args) // checked with the whole
	default:
		x.Args = []json.RawMessage{args}
	}
	return x, nil
}

// text is the string that raw holds, or "" when it holds something else.
func text(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	v, _ := message.Decode(raw)
	s, _ := v.(string)
	return s
}

// quote writes a string as JSON.
func quote(s string) []byte {
	raw, _ := json.Marshal(s) // a string always encodes
	return raw
}

func appendList(buf []byte, items []json.RawMessage) []byte {
	buf = append(buf, '[')
	for i, item := range items {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = append(buf, item...)
	}
	return append(buf, ']')
}
