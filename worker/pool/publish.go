package pool

import (
	"encoding/binary"
	"errors"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// Why a task cannot publish.
var (
	errNoSend    = brokers.Refuse(errors.New("publish for a task: this worker does not let tasks publish"))
	errAbandoned = brokers.Refuse(errors.New("publish for a task: the attempt was given up at its hard time limit"))
)

func appendMessage(buf []byte, m brokers.Message) ([]byte, error) {
	buf = append(binary.AppendUvarint(buf, uint64(len(m.Queue))), m.Queue...)
	return envelope.Append(buf, m)
}

func decodeMessage(data []byte) (brokers.Message, error) {
	queue, rest, err := block(data)
	if err != nil {
		return brokers.Message{}, err
	}
	m, err := envelope.Decode(rest)
	m.Queue = string(queue)
	return m, err
}

// appendAnswer tells how a Send went.
func appendAnswer(buf []byte, seat uint32, err error) []byte {
	buf = openFrame(buf, frameAnswer, seat)
	switch {
	case err == nil:
		buf = append(buf, 0)
	case brokers.Definite(err):
		buf = append(append(buf, 2), err.Error()...)
	default:
		buf = append(append(buf, 1), err.Error()...)
	}
	return closeFrame(buf)
}

// decodeAnswer is the error of a Send as appendAnswer told it, Definite as it was there.
func decodeAnswer(rest []byte) error {
	if len(rest) == 0 {
		return errCut
	}
	err := errors.New(string(rest[1:]))
	switch rest[0] {
	case 0:
		return nil
	case 2:
		return brokers.Refuse(err)
	}
	return err
}

// Causes by number, in frameCancel.
const (
	causeRevoked byte = iota
	causeHardLimit
)

var causes = [...]error{causeRevoked: ErrRevoked, causeHardLimit: ErrHardLimit}

// appendCancel has an attempt's context end. The attempt is named, since another may have the seat by then.
func appendCancel(buf []byte, seat uint32, attempt uint64, cause byte) []byte {
	buf = append(openFrame(buf, frameCancel, seat), cause)
	return closeFrame(binary.BigEndian.AppendUint64(buf, attempt))
}

// decodeCancel reads what appendCancel wrote, behind the seat.
func decodeCancel(rest []byte) (attempt uint64, cause error, err error) {
	if len(rest) < 9 || int(rest[0]) >= len(causes) {
		return 0, nil, errCut
	}
	return binary.BigEndian.Uint64(rest[1:]), causes[rest[0]], nil
}
