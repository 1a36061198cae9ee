package pool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"taskbench/brokers/envelope"
	"taskbench/worker/message"
)

// Parent and child speak in frames: four bytes of length, then the payload. The parent sends jobs; the child
// says hello once, and of each job that it started (if asked to) and how it ended.

const (
	frameHello   = 'H'
	frameStarted = 'S'
	frameDone    = 'D'
)

const (
	flagRedelivered = 1 << iota
	flagTellStart
)

// encode writes the job's frame into its own buffer. The message goes through as it came; the child reads it.
func (j *Job) encode() error {
	var flags byte
	if j.Redelivered {
		flags |= flagRedelivered
	}
	if j.Started != nil {
		flags |= flagTellStart
	}
	buf := append(j.frame[:0], 0, 0, 0, 0, flags)
	buf = binary.BigEndian.AppendUint64(buf, j.Attempt)
	buf = binary.AppendUvarint(buf, uint64(len(j.Task.Message.Queue)))
	buf = append(buf, j.Task.Message.Queue...)
	buf, err := envelope.Append(buf, j.Task.Message)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	j.frame = buf
	return nil
}

var errCut = errors.New("a frame of the pool's protocol is cut short")

// decodeJob reads what encode wrote. The job shares memory with the payload. The task in it holds the message
// and nothing else yet.
func decodeJob(payload []byte) (j Job, tellStart bool, err error) {
	if len(payload) < 9 {
		return Job{}, false, errCut
	}
	flags := payload[0]
	j.Redelivered = flags&flagRedelivered != 0
	j.Attempt = binary.BigEndian.Uint64(payload[1:])
	payload = payload[9:]
	n, size := binary.Uvarint(payload)
	if size <= 0 || n > uint64(len(payload)-size) {
		return Job{}, false, errCut
	}
	queue := string(payload[size : size+int(n)])
	m, err := envelope.Decode(payload[size+int(n):])
	if err != nil {
		return Job{}, false, err
	}
	m.Queue = queue
	j.Task = message.Task{Message: m}
	return j, flags&flagTellStart != 0, nil
}

// appendDone encodes a result; leaving says that the child ends after this job.
func appendDone(buf []byte, r Result, leaving bool) []byte {
	buf = append(buf, 0, 0, 0, 0, frameDone, byte(r.Status), 0)
	if leaving {
		buf[6] = 1
	}
	buf = binary.BigEndian.AppendUint64(buf, uint64(r.After))
	if r.Err != nil {
		buf = append(buf, r.Err.Error()...)
	}
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	return buf
}

func decodeDone(payload []byte) (r Result, leaving bool, err error) {
	if len(payload) < 11 {
		return Result{}, false, errCut
	}
	r.Status = Status(payload[1])
	r.After = time.Duration(binary.BigEndian.Uint64(payload[3:]))
	if text := payload[11:]; len(text) > 0 {
		r.Err = errors.New(string(text))
	}
	return r, payload[2] != 0, nil
}

// readFrame reads one payload, into memory of its own.
func readFrame(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(head))
	_, _ = r.Discard(4)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("read a frame of %d bytes: %w", len(payload), err)
	}
	return payload, nil
}
