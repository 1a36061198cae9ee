package envelope

import (
	"encoding/binary"
	"math"
)

// A reader takes values off the front of data. The first thing that does not fit sets bad, for good; all that is
// read afterwards is zero, so that callers need to look only once.
type reader struct {
	data []byte
	at   int
	bad  bool
}

// take returns the next n bytes, or nil.
func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.data)-r.at) {
		r.bad = true
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) varint() int64 {
	if r.bad {
		return 0
	}
	v, n := binary.Varint(r.data[r.at:])
	r.bad = n <= 0
	r.at += max(n, 0)
	return v
}

func (r *reader) uvarint() uint64 {
	if r.bad {
		return 0
	}
	v, n := binary.Uvarint(r.data[r.at:])
	r.bad = n <= 0
	r.at += max(n, 0)
	return v
}

func (r *reader) string() string { return string(r.take(r.uvarint())) }

// count reads how many elements follow; each takes at least one byte, so that a lie is seen before memory is spent.
func (r *reader) count() int {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.data)-r.at) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) mapping(depth int) map[string]any {
	n := r.count()
	m := make(map[string]any, min(n, 64))
	for range n {
		name := r.string()
		m[name] = r.value(depth + 1)
		if r.bad {
			return nil
		}
	}
	return m
}

func (r *reader) value(depth int) any {
	if depth > deepest {
		r.bad = true
		return nil
	}
	switch r.byte() {
	case kindNil:
		return nil
	case kindFalse:
		return false
	case kindTrue:
		return true
	case kindInt:
		return r.varint()
	case kindUint:
		return r.uvarint()
	case kindFloat:
		if b := r.take(8); b != nil {
			return math.Float64frombits(binary.BigEndian.Uint64(b))
		}
		return nil
	case kindString:
		return r.string()
	case kindBytes:
		return append([]byte{}, r.take(r.uvarint())...)
	case kindList:
		n := r.count()
		list := make([]any, 0, min(n, 64))
		for range n {
			list = append(list, r.value(depth+1))
			if r.bad {
				return nil
			}
		}
		return list
	case kindMap:
		return r.mapping(depth)
	}
	r.bad = true
	return nil
}
