package step

import (
	"encoding/binary"
	"slices"
)

// mostTags bounds what is known of a channel whose other side never settles anything.
const mostTags = 1 << 16

// tags are numbers of messages that are not settled, the lowest first.
type tags []uint64

func (t *tags) add(tag uint64) {
	if n := len(*t); n > 0 && (*t)[n-1] >= tag {
		return // no server and no client counts backwards
	}
	if len(*t) == mostTags {
		*t = slices.Delete(*t, 0, mostTags/2)
	}
	*t = append(*t, tag)
}

// settle takes away what the arguments of an acknowledgement name: a tag or, where its bit says so, all up to it. It
// returns how many that were.
func (t *tags) settle(w *words) int {
	tag, multiple := binary.BigEndian.Uint64(w.take(8)), w.take(1)[0]&1 != 0 && !w.one
	from, found := slices.BinarySearch(*t, tag)
	to := from
	if found {
		to++
	}
	if multiple {
		from = 0
		if tag == 0 {
			to = len(*t)
		}
	}
	n := to - from
	*t = slices.Delete(*t, from, to)
	return n
}

// words takes values off the front of a frame; what is missing there is 0.
type words struct {
	rest []byte
	one  bool // the bit after the tag does not mean multiple
}

func (w *words) take(n int) []byte {
	if n > len(w.rest) {
		w.rest = nil
		return make([]byte, n)
	}
	got := w.rest[:n]
	w.rest = w.rest[n:]
	return got
}

// short is a string with its length in a byte.
func (w *words) short() []byte { return w.take(int(w.take(1)[0])) }

// text is a string that ends with a zero.
func (w *words) text() []byte {
	i := slices.Index(w.rest, 0)
	if i < 0 {
		got := w.rest
		w.rest = nil
		return got
	}
	got := w.rest[:i]
	w.rest = w.rest[i+1:]
	return got
}

func (w *words) uint16() int { return int(binary.BigEndian.Uint16(w.take(2))) }
func (w *words) int32() int  { return int(int32(binary.BigEndian.Uint32(w.take(4)))) }
