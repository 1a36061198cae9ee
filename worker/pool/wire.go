package pool

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// Parent and child speak in frames: four bytes of length, one that says the kind, four for the seat that it is
// about, then the rest. A seat is where one job at a time runs: a prefork child has one, a green child many. The
// child says hello once; of each job it tells the start (if asked to; a prefork child, of a prompt job only), what it wants
// to have sent, and the end.

const (
	frameHello   = 'H'
	frameJob     = 'J'
	frameStarted = 'S'
	frameSend    = 'P'
	frameAnswer  = 'A' // to frameSend
	frameCancel  = 'X' // green: an attempt's context is to end
	frameDone    = 'D'
)

// Where a frame's parts begin.
const (
	atKind = 4
	atSeat = 5
	atRest = 9
)

const (
	flagRedelivered = 1 << iota
	flagTellStart
	flagLimits
	flagSend
	flagPrompt
)

// openFrame begins a frame in buf; closeFrame fills in its length.
func openFrame(buf []byte, kind byte, seat uint32) []byte {
	buf = append(buf, 0, 0, 0, 0, kind)
	return binary.BigEndian.AppendUint32(buf, seat)
}

func closeFrame(buf []byte) []byte {
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	return buf
}

// about tells the kind and the seat of a payload.
func about(payload []byte) (kind byte, seat uint32, rest []byte, err error) {
	if len(payload) < atRest-atKind {
		return 0, 0, nil, errCut
	}
	return payload[0], binary.BigEndian.Uint32(payload[1:]), payload[5:], nil
}

// encode writes the job's frame into its own buffer, for a seat to be filled in. The message goes through as it came;
// the child reads it.
func (j *Job) encode() error {
	var flags byte
	soft, hard := j.Limits()
	if j.Redelivered {
		flags |= flagRedelivered
	}
	if j.Started != nil || hard > 0 {
		flags |= flagTellStart
	}
	if soft|hard != 0 {
		flags |= flagLimits
	}
	if j.Send != nil {
		flags |= flagSend
	}
	if j.Prompt {
		flags |= flagPrompt
	}
	buf := append(openFrame(j.frame[:0], frameJob, 0), flags)
	buf = binary.BigEndian.AppendUint64(buf, j.Attempt)
	if flags&flagLimits != 0 {
		buf = binary.BigEndian.AppendUint64(buf, uint64(soft))
		buf = binary.BigEndian.AppendUint64(buf, uint64(hard))
	}
	buf, err := appendMessage(buf, j.Task.Message)
	if err != nil {
		return err
	}
	j.frame = closeFrame(buf)
	return nil
}

// decodeJob reads what encode wrote, behind the seat. The job shares memory with it. The task in it holds the message
// and nothing else yet. Send is left to the caller.
func decodeJob(rest []byte) (j Job, flags byte, err error) {
	if len(rest) < 9 {
		return Job{}, 0, errCut
	}
	flags = rest[0]
	j.Redelivered = flags&flagRedelivered != 0
	j.Attempt = binary.BigEndian.Uint64(rest[1:])
	rest = rest[9:]
	if flags&flagLimits != 0 {
		if len(rest) < 16 {
			return Job{}, 0, errCut
		}
		j.Soft = time.Duration(binary.BigEndian.Uint64(rest))
		j.Hard = time.Duration(binary.BigEndian.Uint64(rest[8:]))
		rest = rest[16:]
	}
	m, err := decodeMessage(rest)
	if err != nil {
		return Job{}, 0, err
	}
	j.Task = message.Task{Message: m}
	return j, flags, nil
}

// attemptOf is the Attempt of what decodeJob reads; 0 where that fails.
func attemptOf(rest []byte) uint64 {
	if len(rest) < 9 {
		return 0
	}
	return binary.BigEndian.Uint64(rest[1:])
}

const (
	doneLeaving = 1 << iota
	doneTerminated
	doneValue
	doneException
)

// appendDone encodes a result; leaving says that the child ends after this job.
func appendDone(buf []byte, seat uint32, r Result, leaving bool) []byte {
	var flags byte
	if leaving {
		flags |= doneLeaving
	}
	if r.Terminated {
		flags |= doneTerminated
	}
	if r.Value != nil {
		flags |= doneValue
	}
	var exception []byte
	if r.Exception != nil {
		flags |= doneException
		exception, _ = json.Marshal(sound(r.Exception)) // of strings and what is JSON already
	}
	buf = append(openFrame(buf, frameDone, seat), byte(r.Status), flags)
	buf = binary.BigEndian.AppendUint64(buf, uint64(r.After))
	if r.Err == nil {
		buf = append(buf, 0)
	} else {
		buf = appendBlock(buf, []byte(r.Err.Error()))
	}
	if flags&doneValue != 0 {
		buf = appendBlock(buf, r.Value)
	}
	buf = append(buf, exception...)
	return closeFrame(buf)
}

// sound makes an exception one that can be encoded: the arguments come from the task's own code.
func sound(x *result.Exception) *result.Exception {
	clean := *x
	clean.Args = make([]json.RawMessage, len(x.Args))
	for i, arg := range x.Args {
		if !json.Valid(arg) {
			arg, _ = json.Marshal(string(arg))
		}
		clean.Args[i] = arg
	}
	return &clean
}

// decodeDone reads what appendDone wrote, behind the seat.
func decodeDone(rest []byte) (r Result, leaving bool, err error) {
	if len(rest) < 10 {
		return Result{}, false, errCut
	}
	flags := rest[1]
	r.Status, r.Terminated = Status(rest[0]), flags&doneTerminated != 0
	r.After = time.Duration(binary.BigEndian.Uint64(rest[2:]))
	text, rest, err := block(rest[10:])
	if err != nil {
		return Result{}, false, err
	}
	if len(text) > 0 {
		r.Err = errors.New(string(text))
	}
	if flags&doneValue != 0 {
		if r.Value, rest, err = block(rest); err != nil {
			return Result{}, false, err
		}
	}
	if flags&doneException != 0 {
		r.Exception = new(result.Exception)
		if err := json.Unmarshal(rest, r.Exception); err != nil {
			return Result{}, false, fmt.Errorf("read a task's exception: %w", err)
		}
	}
	return r, flags&doneLeaving != 0, nil
}

var errCut = errors.New("a frame of the pool's protocol is cut short")

func appendBlock(buf, block []byte) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(block))), block...)
}

func block(data []byte) (block, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return nil, nil, errCut
	}
	return data[size : size+int(n)], data[size+int(n):], nil
}

// readHead waits for a frame and tells its length.
func readHead(r *bufio.Reader) (int, error) {
	head, err := r.Peek(4)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint32(head))
	_, _ = r.Discard(4)
	return n, nil
}

// whole returns the payload of a frame that has been read from the pipe already, until the next read; nil where there is
// none.
func whole(r *bufio.Reader) []byte {
	seen, _ := r.Peek(r.Buffered()) // which is there
	if len(seen) < 4 {
		return nil
	}
	n := int(binary.BigEndian.Uint32(seen))
	if n == 0 || n > len(seen)-4 {
		return nil
	}
	return seen[4 : 4+n]
}

// readBody reads so much of a frame, into memory of its own.
func readBody(r *bufio.Reader, n int) ([]byte, error) {
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("read a frame of %d bytes: %w", n, err)
	}
	return payload, nil
}

// readFrame reads one payload.
func readFrame(r *bufio.Reader) ([]byte, error) {
	n, err := readHead(r)
	if err != nil {
		return nil, err
	}
	return readBody(r, n)
}
