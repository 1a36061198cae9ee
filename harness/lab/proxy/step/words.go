package step

import "slices"

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
	tag, multiple := w.number(8), w.number(1)&1 != 0 && !w.one
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

// words takes values off the front of a frame; of a number that is missing there, all is 0.
type words struct {
	rest []byte
	one  bool // the bit after the tag does not mean multiple
}

// take is so many bytes, or those that there are.
func (w *words) take(n int) []byte {
	n = min(n, len(w.rest))
	got := w.rest[:n]
	w.rest = w.rest[n:]
	return got
}

// number is one of so many bytes.
func (w *words) number(size int) (n uint64) {
	if size > len(w.rest) {
		w.rest = nil
	}
	for _, b := range w.take(size) {
		n = n<<8 | uint64(b)
	}
	return n
}

// short is a string with its length in a byte.
func (w *words) short() []byte { return w.take(int(w.number(1))) }

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

func (w *words) int32() int { return int(int32(w.number(4))) }
