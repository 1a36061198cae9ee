package nats

import (
	"strings"

	"taskbench/brokers"
)

// The names of what is ours on a server. Streams have the same names with dashes.
const (
	queueStream    = "taskbench-q-"
	delayedStream  = "taskbench-delayed"
	bindingsStream = "taskbench-bindings"

	queueSubject    = "taskbench.q."
	delayedSubject  = "taskbench.delayed"
	bindingSubject  = "taskbench.binding."
	exchangeSubject = "taskbench.exchange."

	consumerName = "workers"
)

// longest is how many bytes the token of a queue may have: a stream's name has 255, and its dead letters need some.
const longest = 200

const digits = "0123456789ABCDEF"

// token writes any text as one part of a subject, in which dots, blanks and wildcards mean something: bytes other than
// letters, digits, - and _ become =XX. The empty text is =.
func token(s string) string {
	if s == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.WriteByte('=')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// untoken reads what token wrote; ok is false for what it cannot have written.
func untoken(s string) (text string, ok bool) {
	if s == "=" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := strings.IndexByte(digits, s[i+1]), strings.IndexByte(digits, s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}

// fits refuses the name of a queue that no stream can have. Where dead letters go may be longer than others.
func fits(queue string) error {
	most := longest
	if brokers.IsDeadLetterQueue(queue) {
		most += len(token(brokers.DeadLetterQueue("")))
	}
	if n := len(token(queue)); n > most {
		return brokers.Refusef("the name takes %d bytes in a stream's name, where it may take %d: shorten it", n, most)
	}
	return nil
}
