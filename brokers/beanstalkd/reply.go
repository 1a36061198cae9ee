package beanstalkd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"taskbench/brokers"
)

// A reply is what the server says to one command.
type reply struct {
	word string // one of those below
	id   uint64 // of a job, where one is named
	body []byte // of a job, or statistics
}

// shapes are the replies there are, and what follows the word.
var shapes = map[string]struct {
	id   bool // the number of a job, which BURIED may lack
	body bool // the length of a body, and the body
}{
	"INSERTED": {id: true}, "BURIED": {id: true}, "RESERVED": {id: true, body: true}, "FOUND": {id: true, body: true},
	"OK": {body: true}, "USING": {}, "WATCHING": {}, "DELETED": {}, "RELEASED": {}, "TOUCHED": {}, "NOT_FOUND": {},
	"TIMED_OUT": {}, "DEADLINE_SOON": {}, "NOT_IGNORED": {}, "DRAINING": {}, "JOB_TOO_BIG": {}, "OUT_OF_MEMORY": {},
	"INTERNAL_ERROR": {},
}

// largest is the longest body that a server takes, however it was started.
const largest = 1 << 30

// believed is how much memory is had for a body before it has come.
const believed = 1 << 20

// readReply reads one reply. Whatever is not known, as BAD_FORMAT, means that the two sides do not understand each
// other, and that all that follows may be nonsense too.
func readReply(r *bufio.Reader) (reply, error) {
	line, err := r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return reply{}, err
	}
	fields := bytes.Fields(line)
	var rep reply
	if len(fields) > 0 {
		rep.word = string(fields[0])
	}
	shape, known := shapes[rep.word]
	if !known || !bytes.HasSuffix(line, []byte("\r\n")) {
		return reply{}, fmt.Errorf("it says %.40q, which is no reply of beanstalkd's to what was asked", line)
	}
	if shape.id && len(fields) > 1 {
		if rep.id, err = strconv.ParseUint(string(fields[1]), 10, 64); err != nil {
			return reply{}, fmt.Errorf("it says %.40q: %w", line, err)
		}
	}
	if !shape.body {
		return rep, nil
	}
	n, err := strconv.ParseUint(string(fields[len(fields)-1]), 10, 64)
	if err != nil || n > largest {
		return reply{}, fmt.Errorf("it says %.40q, where there should be a length", line)
	}
	var buf bytes.Buffer
	buf.Grow(int(min(n+2, believed)))
	if _, err := io.CopyN(&buf, r, int64(n+2)); err != nil {
		return reply{}, err
	}
	body := buf.Bytes()
	if !bytes.HasSuffix(body, []byte("\r\n")) {
		return reply{}, fmt.Errorf("a body of %d bytes ends in %q", n, body[n:])
	}
	rep.body = body[:n]
	return rep, nil
}

// refusals are the replies after which the server has done nothing.
var refusals = map[string]string{
	"DRAINING":      "beanstalkd takes no more messages, because somebody sent it SIGUSR1: start it again",
	"JOB_TOO_BIG":   "the message is larger than beanstalkd takes: start it with a larger -z",
	"OUT_OF_MEMORY": "beanstalkd has no memory for it, or no room for one more file of its binlog: free space on its disk, or work off what waits there",
	"NOT_FOUND":     "beanstalkd does not have it",
}

// demand is nil for a reply of the words that are wanted, and an error for others, which is Definite where the server
// has refused.
func (r reply) demand(words ...string) error {
	if slices.Contains(words, r.word) {
		return nil
	}
	if why, refused := refusals[r.word]; refused {
		return brokers.Refusef("%s (%s)", why, r.word)
	}
	return fmt.Errorf("the server says %s", r.word)
}

// stat finds a value in statistics: lines of YAML, whose strings are quoted by newer servers.
func (r reply) stat(name string) string {
	for line := range bytes.Lines(r.body) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok && bytes.HasPrefix(value, []byte(": ")) {
			return string(bytes.Trim(value[2:], "\"\r\n "))
		}
	}
	return ""
}

// count is a value in statistics that is a number; what is none is 0.
func (r reply) count(name string) uint64 {
	n, _ := strconv.ParseUint(r.stat(name), 10, 64)
	return n
}
