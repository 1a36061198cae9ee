package pickle

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
)

// Marshal writes nil, bool, int, int64, *big.Int, json.Number, float64, string, []byte, []any, Tuple, Dict and
// map[string]any (in the order of its keys), nested to any depth up to a thousand. The pickle is of protocol 2, which
// every Python reads, or of protocol 3 when it holds bytes.
func Marshal(v any) ([]byte, error) {
	w := writer{buf: []byte{0x80, 2}}
	if err := w.value(v, 0); err != nil {
		return nil, fmt.Errorf("pickle: %w", err)
	}
	return append(w.buf, '.'), nil
}

type writer struct{ buf []byte }

func (w *writer) op(b ...byte) { w.buf = append(w.buf, b...) }

func (w *writer) value(v any, depth int) error {
	if depth > deepest {
		return ErrTooLarge
	}
	switch v := v.(type) {
	case nil:
		w.op('N')
	case bool:
		if v {
			w.op(0x88)
		} else {
			w.op(0x89)
		}
	case int:
		w.integer(int64(v))
	case int64:
		w.integer(v)
	case *big.Int:
		w.long(v)
	case json.Number:
		return w.number(v)
	case float64:
		w.op('G')
		w.buf = binary.BigEndian.AppendUint64(w.buf, math.Float64bits(v))
	case string:
		return w.sized('X', v)
	case []byte:
		w.buf[1] = 3
		return w.sized('B', string(v))
	case []any:
		return w.items(']', 'e', v, depth)
	case Tuple:
		return w.items(0, 't', v, depth)
	case map[string]any:
		d := make(Dict, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			d = append(d, Item{key, v[key]})
		}
		return w.dict(d, depth)
	case Dict:
		return w.dict(v, depth)
	default:
		return unsupported(v)
	}
	return nil
}

func (w *writer) integer(n int64) {
	switch {
	case 0 <= n && n < 1<<8:
		w.op('K', byte(n))
	case math.MinInt32 <= n && n <= math.MaxInt32:
		w.op('J')
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(n))
	default:
		w.long(big.NewInt(n))
	}
}

// long writes two's complement, least byte first, in as few bytes as hold the sign.
func (w *writer) long(n *big.Int) {
	var raw []byte
	if n.Sign() != 0 {
		size := n.BitLen()/8 + 1
		m := n
		if n.Sign() < 0 {
			m = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size)*8))
		}
		raw = m.FillBytes(make([]byte, size))
		slices.Reverse(raw)
	}
	if len(raw) < 256 {
		w.op(0x8a, byte(len(raw)))
	} else {
		w.op(0x8b)
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(raw)))
	}
	w.buf = append(w.buf, raw...)
}

func (w *writer) number(n json.Number) error {
	if i, ok := new(big.Int).SetString(string(n), 10); ok {
		if i.IsInt64() {
			w.integer(i.Int64())
		} else {
			w.long(i)
		}
		return nil
	}
	f, err := n.Float64()
	if err != nil {
		return fmt.Errorf("%q is no number", n)
	}
	return w.value(f, 0)
}

func (w *writer) sized(op byte, s string) error {
	if int64(len(s)) > math.MaxInt32 {
		return ErrTooLarge
	}
	w.op(op)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(s)))
	w.buf = append(w.buf, s...)
	return nil
}

// items writes a list, whose opening is an empty list, or a tuple, which has none.
func (w *writer) items(open, end byte, list []any, depth int) error {
	if open != 0 {
		w.op(open)
	}
	if open == 0 && len(list) == 0 {
		w.op(')')
		return nil
	}
	w.op('(')
	for _, v := range list {
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.op(end)
	return nil
}

func (w *writer) dict(d Dict, depth int) error {
	w.op('}', '(')
	for _, i := range d {
		if err := w.value(i.Key, depth+1); err != nil {
			return err
		}
		if err := w.value(i.Value, depth+1); err != nil {
			return err
		}
	}
	w.op('u')
	return nil
}
