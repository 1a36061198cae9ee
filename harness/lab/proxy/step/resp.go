package step

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"taskbench/brokers"
)

type resp struct {
	acts      map[string]brokers.Act
	asked     []done // what each answer to come is to
	listening bool   // it has subscribed to something: what comes is no answer any more
}

// done is an act on messages that was asked for; the zero value is any other command.
type done struct {
	act   brokers.Act
	count int
}

func newRESP(acts map[string]brokers.Act) Parser { return &resp{acts: acts} }

var errNotRESP = errors.New("it does not speak RESP")

func (p *resp) Next(from Side, data []byte) (int, []Event, error) {
	if p.listening {
		return len(data), nil, nil
	}
	if from == Client {
		return p.command(data)
	}
	return p.answer(data)
}

// command reads an array of strings. Commands in a line are for people, who are not followed.
func (p *resp) command(data []byte) (int, []Event, error) {
	if len(data) == 0 {
		return 0, nil, nil
	}
	if data[0] != '*' {
		return 0, nil, fmt.Errorf("%w: a command begins with %q", errNotRESP, data[0])
	}
	_, words, at, err := header(data, 0)
	if err != nil || at == 0 {
		return 0, nil, err
	}
	var name []byte
	for i := range words {
		kind, size, next, err := header(data, at)
		if err != nil || next == 0 {
			return 0, nil, err
		}
		if kind != '$' || size < 0 {
			return 0, nil, fmt.Errorf("%w: a command has a word of type %q", errNotRESP, kind)
		}
		if at = next + int(size) + 2; at > largest {
			return 0, nil, fmt.Errorf("a command of more than %d bytes", largest)
		}
		if at > len(data) {
			return 0, nil, nil
		}
		switch word := data[next : next+int(size)]; {
		case i == 0:
			name = bytes.ToLower(word)
		case i == 1 && string(name) == "evalsha":
			name = append(append(name, ' '), bytes.ToLower(word)...)
		}
	}
	return at, p.ask(string(name), int(max(words, 0))), nil
}

func (p *resp) ask(name string, words int) []Event {
	switch name {
	case "":
		return nil // the server does not answer nothing
	case "subscribe", "psubscribe", "ssubscribe", "monitor":
		p.listening = true
		return nil
	}
	d := done{act: p.acts[name], count: 1}
	if d.act.Many > 0 {
		d.count = words - d.act.Many
	}
	p.asked = append(p.asked, d)
	switch d.act.Does {
	case brokers.Publishes:
		return event(Publish, d.count, false)
	case brokers.Acknowledges:
		return event(Ack, d.count, false)
	case brokers.Stores:
		return event(Result, d.count, false)
	case brokers.Claims:
	}
	return nil
}

func (p *resp) answer(data []byte) (int, []Event, error) {
	n, err := value(data, 0, 0)
	if err != nil || n == 0 {
		return 0, nil, err
	}
	if data[0] == '>' || len(p.asked) == 0 { // nobody asked for it
		return n, nil, nil
	}
	d := p.asked[0]
	p.asked = p.asked[1:]
	if data[0] == '-' || data[0] == '!' || bytes.HasPrefix(data, []byte("+QUEUED")) {
		return n, nil, nil // it has not been done
	}
	switch d.act.Does {
	case brokers.Publishes:
		return n, event(Confirm, d.count, false), nil
	case brokers.Acknowledges:
		return n, event(Acked, d.count, false), nil
	case brokers.Claims:
		got := claimed(data, d.act.Many)
		return n, append(event(Claim, got, false), event(Deliver, got, true)...), nil
	}
	return n, nil, nil
}

// claimed is how many messages a whole answer brings, so many elements for each.
func claimed(data []byte, each int) int {
	kind, elements, next, _ := header(data, 0)
	if kind == '*' && elements > 0 && data[next] == '*' {
		_, elements, _, _ = header(data, next)
	}
	if kind != '*' || elements < 0 {
		return 0
	}
	return int(elements) / max(each, 1)
}

// deepest is how far values are nested at most.
const deepest = 16

// value finds the end of the value at a place, or 0 while it is not whole.
func value(data []byte, at, depth int) (end int, err error) {
	kind, size, next, err := header(data, at)
	if err != nil || next == 0 {
		return 0, err
	}
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return next, nil
	case '$', '!', '=':
		if size < 0 { // there is none
			return next, nil
		}
		if end = next + int(size) + 2; end > largest {
			return 0, fmt.Errorf("an answer of more than %d bytes", largest)
		}
		if end > len(data) {
			return 0, nil
		}
		return end, nil
	case '%', '|':
		size *= 2
	case '*', '~', '>':
	default:
		return 0, fmt.Errorf("%w: a value begins with %q", errNotRESP, kind)
	}
	if depth == deepest {
		return 0, fmt.Errorf("%w: it nests values too deeply", errNotRESP)
	}
	if kind == '|' { // attributes, and then what they are about
		size++
	}
	for range size {
		if next, err = value(data, next, depth+1); err != nil || next == 0 {
			return 0, err
		}
	}
	return next, nil
}

// header reads the line at a place: its first byte, the number after that where one is due, and where it ends; 0 while
// it has not come.
func header(data []byte, at int) (kind byte, size int64, next int, err error) {
	if at > largest {
		return 0, 0, 0, fmt.Errorf("an answer of more than %d bytes", largest)
	}
	n, err := line(data[at:])
	if err != nil || n == 0 {
		return 0, 0, 0, err
	}
	kind = data[at]
	if bytes.IndexByte([]byte("*$!=%|~>"), kind) >= 0 {
		size, err = strconv.ParseInt(string(bytes.TrimRight(data[at+1:at+n], "\r\n")), 10, 64)
		if err != nil || size > largest {
			return 0, 0, 0, fmt.Errorf("%w: %.40q", errNotRESP, data[at:at+n])
		}
	}
	return kind, size, at + n, nil
}
