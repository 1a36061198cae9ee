// Package repr writes JSON values the way Python's repr writes them, which is how Celery's events, headers and
// remote control show arguments, results and exceptions to people.
package repr

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limit is how many bytes a text of this package has at most. A longer one is cut, between two characters, and ends
// in "...".
const Limit = 1024

const cut = "..."

// Value is the repr of one JSON value: {"a": null} is "{'a': None}". Dates, decimals, UUIDs and bytes, which Celery
// wraps in objects, read as Python would write them. What is no JSON is shown as it is.
func Value(raw []byte) string {
	p := printer{in: raw}
	p.value()
	return p.text()
}

// Args is the repr of positional arguments, a tuple: "(2, 3)", "(1,)", "()".
func Args(args []json.RawMessage) string {
	p := printer{out: []byte{'('}}
	for i, raw := range args {
		if i > 0 {
			p.put(", ")
		}
		if p.full() {
			break
		}
		p.in, p.at = raw, 0
		p.value()
	}
	if len(args) == 1 {
		p.put(",")
	}
	p.put(")")
	return p.text()
}

// Tuple is Args for arguments that are one JSON array. Anything else is written as Value does.
func Tuple(raw []byte) string {
	p := printer{in: raw}
	if p.peek() != '[' {
		return Value(raw)
	}
	p.list('(', ')')
	return p.text()
}

// Kwargs is the repr of keyword arguments, in the order of their names: "{'a': 1}". Where the JSON object itself is
// at hand, Value keeps the order in which it was written.
func Kwargs(kwargs map[string]json.RawMessage) string {
	p := printer{out: []byte{'{'}}
	for i, name := range sorted(kwargs) {
		if i > 0 {
			p.put(", ")
		}
		if p.full() {
			break
		}
		p.string(name)
		p.put(": ")
		p.in, p.at = kwargs[name], 0
		p.value()
	}
	p.put("}")
	return p.text()
}

// String is the repr of a text: "it's" is written with double quotes, as Python does.
func String(s string) string {
	var p printer
	p.string(s)
	return p.text()
}

// Exception is the repr of an exception: Exception("ValueError", `"boom"`) is "ValueError('boom')".
func Exception(class string, args ...json.RawMessage) string {
	text := Args(args)
	if len(args) == 1 { // an exception's lone argument has no comma
		text = strings.TrimSuffix(text, ",)") + ")"
	}
	p := printer{out: []byte(class + text)}
	return p.text()
}

// A printer turns the JSON in front of it into Python. It stops soon after Limit bytes, however long its input is;
// since every level of nesting writes a byte, that bounds the depth too.
type printer struct {
	in  []byte
	at  int
	out []byte
}

func (p *printer) put(s string) { p.out = append(p.out, s...) }
func (p *printer) full() bool   { return len(p.out) > Limit }

// text is what was written, cut to the limit.
func (p *printer) text() string {
	if len(p.out) <= Limit {
		return string(p.out)
	}
	end := Limit - len(cut)
	for end > 0 && !utf8.RuneStart(p.out[end]) {
		end--
	}
	return string(p.out[:end]) + cut
}

// peek skips space and returns the byte that follows, 0 at the end.
func (p *printer) peek() byte {
	for p.at < len(p.in) {
		switch c := p.in[p.at]; c {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return c
		}
	}
	return 0
}

// value writes one value and leaves the rest of the input for the caller. Where the JSON is broken it writes the
// rest as it is and is at the end.
func (p *printer) value() {
	if p.full() {
		p.at = len(p.in)
		return
	}
	switch c := p.peek(); c {
	case '[':
		p.list('[', ']')
	case '{':
		if !p.wrapped() {
			p.dict()
		}
	case '"':
		if s, ok := p.quoted(); ok {
			p.string(s)
		} else {
			p.rest()
		}
	default:
		p.word()
	}
}

// rest writes what cannot be read as it is.
func (p *printer) rest() {
	end := min(len(p.in), p.at+Limit+1)
	p.put(strings.ToValidUTF8(string(p.in[p.at:end]), "\uFFFD"))
	p.at = len(p.in)
}

func (p *printer) list(open, end byte) {
	p.at++
	p.out = append(p.out, open)
	n := 0
	for ; p.peek() != ']'; n++ {
		if n > 0 {
			if p.peek() != ',' {
				p.rest()
				return
			}
			p.at++
			p.put(", ")
		}
		if p.at >= len(p.in) || p.full() {
			p.at = len(p.in)
			return
		}
		p.value()
	}
	p.at++
	if n == 1 && end == ')' {
		p.put(",")
	}
	p.out = append(p.out, end)
}

func (p *printer) dict() {
	p.at++
	p.put("{")
	for n := 0; p.peek() != '}'; n++ {
		if n > 0 {
			if p.peek() != ',' {
				p.rest()
				return
			}
			p.at++
			p.put(", ")
		}
		key, ok := "", p.peek() == '"'
		if ok {
			key, ok = p.quoted()
		}
		if !ok || p.full() {
			p.rest()
			return
		}
		p.string(key)
		if p.peek() != ':' {
			p.rest()
			return
		}
		p.at++
		p.put(": ")
		p.value()
	}
	p.at++
	p.put("}")
}

// quoted reads the JSON string that is next. A long one is not read further than what may be shown of it.
func (p *printer) quoted() (string, bool) {
	start := p.at
	for i := start + 1; i < len(p.in); i++ {
		switch p.in[i] {
		case '\\':
			i++
		case '"':
			p.at = i + 1
			return unquote(p.in[start:p.at])
		}
		if i-start > 6*Limit { // an escape is 6 bytes long at most: enough for a text that is cut
			p.at = len(p.in)
			return unquote(append(whole(p.in[start:i]), '"'))
		}
	}
	return "", false
}

// whole returns a copy of the beginning of a JSON string without an escape that is cut in two at its end.
func whole(b []byte) []byte {
	end := len(b)
	for i := max(0, end-12); i < end; i++ { // far enough back to begin outside of an escape, most often
		if b[i] == '\\' {
			end = i
		}
	}
	return append(make([]byte, 0, end+1), b[:end]...)
}

func unquote(b []byte) (string, bool) {
	if inner := b[1 : len(b)-1]; plain(inner) {
		return string(inner), true
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err == nil
}

// plain tells whether the inside of a JSON string, and the string that it stands for, are the same.
func plain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// word writes null, true, false and numbers.
func (p *printer) word() {
	start := p.at
	for p.at < len(p.in) && !strings.ContainsRune(" \t\r\n,]}:[{\"", rune(p.in[p.at])) {
		p.at++
	}
	switch w := string(p.in[start:min(p.at, start+Limit+1)]); w {
	case "null":
		p.put("None")
	case "true":
		p.put("True")
	case "false":
		p.put("False")
	case "NaN":
		p.put("nan")
	case "Infinity":
		p.put("inf")
	case "-Infinity":
		p.put("-inf")
	case "":
		p.rest()
	default:
		p.number(w)
	}
}

// number writes integers as they are and other numbers as Python does: the shortest text that reads back.
func (p *printer) number(w string) {
	f, err := strconv.ParseFloat(w, 64)
	if !strings.ContainsAny(w, ".eE") || err != nil && f == 0 {
		p.put(strings.ToValidUTF8(w, "\uFFFD"))
		return
	}
	p.float(f)
}
