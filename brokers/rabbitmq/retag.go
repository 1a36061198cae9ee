package rabbitmq

import "encoding/binary"

// retag rewrites frames on their way: in content headers, every field of the table that is tagged from is tagged to
// instead. Both tags stand for 64 signed bits. Py-amqp writes 'L' for an integer outside 32 bits, which the Go library
// does not know: it ends the connection, and the message ends the next one. And py-amqp reads the Go library's 'l' as
// unsigned. So what arrives has L made l, and what leaves has l made L.
//
// What the library refuses to read ends the connection as well, the next one too, and so on: containers in containers
// beyond a depth, and containers of more than so many. They become byte arrays, which have the same shape: the message
// then is as strange as it was, and can be settled.
type retag struct {
	from, to byte

	pass   int    // bytes that go through before anything is looked at again
	held   []byte // of a frame of which more is needed
	opaque bool   // what flows is not AMQP: nothing is looked at any more
}

const (
	frameHead   = 7 // type, channel, size
	frameHeader = 2 // the type of a content header
	largest     = 1 << 20
)

// through appends to out what can go on of in; the start of an incomplete content header stays behind.
func (r *retag) through(out, in []byte) []byte {
	for len(in) > 0 {
		if r.opaque {
			return append(out, in...)
		}
		if r.pass > 0 {
			n := min(r.pass, len(in))
			out, in, r.pass = append(out, in[:n]...), in[n:], r.pass-n
			continue
		}
		n := min(r.need()-len(r.held), len(in))
		r.held, in = append(r.held, in[:n]...), in[n:]
		if len(r.held) < frameHead {
			return out
		}
		size := int(binary.BigEndian.Uint32(r.held[3:]))
		switch {
		case r.held[0] == 0 || r.held[0] > 8:
			r.opaque = true
		case r.held[0] != frameHeader || size > largest:
			r.pass = size + 1
		case len(r.held) < frameHead+size+1:
			continue
		default:
			r.content(r.held[frameHead : frameHead+size])
		}
		out = append(out, r.held...)
		r.held = r.held[:0]
	}
	return out
}

// need is how many bytes of the present frame must be known.
func (r *retag) need() int {
	if len(r.held) < frameHead {
		return frameHead
	}
	return frameHead + int(binary.BigEndian.Uint32(r.held[3:])) + 1
}

// content rewrites one content header. Where it makes no sense, it is left for the library to say so.
func (r *retag) content(b []byte) {
	w := walker{b: b, at: 12}
	flags := w.short()
	for more := flags; more&1 != 0 && !w.bad; { // property flags go on while their last bit is set
		more = w.short()
	}
	if flags&0x8000 != 0 { // content type
		w.skip(int(w.byte()))
	}
	if flags&0x4000 != 0 { // content encoding
		w.skip(int(w.byte()))
	}
	if flags&0x2000 != 0 {
		w.table(r, 0)
	}
}

// A walker goes through the bytes of a content header; going beyond them makes it bad, for good.
type walker struct {
	b   []byte
	at  int
	bad bool
}

func (w *walker) skip(n int) int {
	from := w.at
	if w.bad || n < 0 || n > len(w.b)-w.at {
		w.bad = true
		return 0
	}
	w.at += n
	return from
}

func (w *walker) byte() byte {
	if at := w.skip(1); !w.bad {
		return w.b[at]
	}
	return 0
}

func (w *walker) short() uint16 {
	if at := w.skip(2); !w.bad {
		return binary.BigEndian.Uint16(w.b[at:])
	}
	return 0
}

func (w *walker) long() int {
	if at := w.skip(4); !w.bad {
		return int(binary.BigEndian.Uint32(w.b[at:]))
	}
	return 0
}

// What the library reads. The bound on depth also keeps hostile bytes from exhausting the stack.
const (
	deepest = 32
	widest  = 8192
)

func (w *walker) table(r *retag, depth int) {
	w.entries(r, depth, func() { w.skip(int(w.byte())) })
}

func (w *walker) list(r *retag, depth int) {
	w.entries(r, depth, func() {})
}

// entries goes through a container; skipName goes over what stands before each value. In one that is too wide, the
// last value that can be read takes in all that follow.
func (w *walker) entries(r *retag, depth int, skipName func()) {
	end := w.long() + w.at
	last := 0
	for n := 1; w.at < end && !w.bad; n++ {
		if n > widest && end <= len(w.b) && end-last >= 5 {
			w.b[last] = 'x'
			binary.BigEndian.PutUint32(w.b[last+1:], uint32(end-last-5))
			w.at = end
			return
		}
		skipName()
		last = w.at
		w.field(r, depth)
	}
}

func (w *walker) field(r *retag, depth int) {
	at := w.at
	tag := w.byte()
	switch tag {
	case 'V':
	case 't', 'b', 'B':
		w.skip(1)
	case 's', 'u', 'U':
		w.skip(2)
	case 'I', 'i', 'f':
		w.skip(4)
	case 'D':
		w.skip(5)
	case 'd', 'T', 'l', 'L':
		w.skip(8)
	case 'S', 'x':
		w.skip(w.long())
	case 'A', 'F':
		switch {
		case w.bad:
		case depth == deepest:
			if w.skip(w.long()); !w.bad {
				w.b[at] = 'x'
			}
		case tag == 'A':
			w.list(r, depth+1)
		default:
			w.table(r, depth+1)
		}
	default:
		w.bad = true
	}
	if tag == r.from && !w.bad {
		w.b[at] = r.to
	}
}
