package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// MaxSeq is the first sequence number that does not fit into a task id.
const MaxSeq = 1 << 48

// A Run makes and reads the task ids of one run. They are UUIDs of version 8: the first four groups are the run,
// the last is the task's sequence number, so that accounting is an array index and a reader of logs sees which
// task it is. The zero Run knows no id.
type Run struct{ prefix string } // "xxxxxxxx-xxxx-8xxx-yxxx-"

const (
	idLen     = 36
	prefixLen = 24
)

// NewRun takes a run's tag, 74 bits of it, from src. Runs that may meet in one broker need different tags even
// when they have the same seed: mix the time of day into src.
func NewRun(src rand.Source) Run {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], src.Uint64())
	binary.BigEndian.PutUint64(b[8:], src.Uint64())
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return Run{prefix(b[:10])}
}

// ParseRun is the inverse of Tag.
func ParseRun(tag string) (Run, error) {
	b, err := hex.DecodeString(tag)
	if err != nil || len(b) != 10 || b[6]>>4 != 8 || b[8]>>6 != 2 {
		return Run{}, fmt.Errorf("read run tag %q: want the first 20 hexadecimal digits of a version 8 UUID", tag)
	}
	return Run{prefix(b)}, nil
}

func prefix(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-"
}

// Tag is the run as 20 hexadecimal digits, for Meta and for passing to worker processes; "" for the zero Run.
func (r Run) Tag() string {
	if r.prefix == "" {
		return ""
	}
	return r.prefix[:8] + r.prefix[9:13] + r.prefix[14:18] + r.prefix[19:23]
}

// ID is the id of the run's task with the given sequence number. It panics for a number of MaxSeq or more.
func (r Run) ID(seq uint64) string {
	if seq >= MaxSeq {
		panic(fmt.Sprintf("ledger: sequence number %d does not fit into a task id", seq))
	}
	const digits = "0123456789abcdef"
	var b [idLen]byte
	copy(b[:], r.prefix)
	for i := idLen - 1; i >= prefixLen; i-- {
		b[i] = digits[seq&15]
		seq >>= 4
	}
	return string(b[:])
}

// Parse returns the sequence number in a task id; ok is false when the id is not one of this run, in the form
// that ID gives it. It does not allocate.
func (r Run) Parse(id string) (seq uint64, ok bool) {
	if len(id) != idLen || id[:prefixLen] != r.prefix {
		return 0, false
	}
	for i := prefixLen; i < idLen; i++ {
		c := id[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		seq = seq<<4 | uint64(c)
	}
	return seq, true
}
