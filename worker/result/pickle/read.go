package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

// Unmarshal reads a pickle of protocol 0 to 5. Values are nil, bool, int64 (*big.Int beyond that), float64, string,
// []byte, []any for a list or a set, Tuple, and Dict. An error is about ErrUnsafe, ErrTooLarge, or broken input.
func Unmarshal(data []byte) (any, error) {
	m := machine{in: data, memo: map[uint64]any{}}
	v, err := m.run()
	if err == nil {
		b := budget{left: 1<<20 + 16*len(data)}
		v, err = b.plain(v, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("unpickle: %w", err)
	}
	return v, nil
}

var (
	errEnds  = errors.New("it ends too early")
	errStack = errors.New("it takes from an empty stack")
)

// A machine runs the program that a pickle is.
type machine struct {
	in    []byte
	at    int
	stack []any
	marks []int // where in the stack each mark stands
	memo  map[uint64]any
}

// Containers are pointers while the program runs, since it may fill one that it has stored before.
type (
	list  struct{ items []any }
	dict  struct{ items []Item }
	tuple struct{ items []any }
)

func (m *machine) run() (any, error) {
	for {
		op, err := m.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			return m.pop()
		}
		if err := m.step(op[0]); err != nil {
			return nil, fmt.Errorf("byte %d, opcode %#x: %w", m.at-1, op[0], err)
		}
	}
}

func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.at) {
		return nil, errEnds
	}
	b := m.in[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

// size reads a little-endian number of n bytes.
func (m *machine) size(n uint64) (uint64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// sized reads as many bytes as a number of n bytes says.
func (m *machine) sized(n uint64) ([]byte, error) {
	length, err := m.size(n)
	if err != nil {
		return nil, err
	}
	return m.take(length)
}

func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.in[m.at:], '\n')
	if n < 0 {
		return "", errEnds
	}
	b, err := m.take(uint64(n) + 1)
	return string(bytes.TrimSuffix(b, []byte("\n"))), err
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// floor is below what may be taken: the last mark.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errStack
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// popMark takes all above the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	items := append([]any(nil), m.stack[m.floor():]...)
	m.stack, m.marks = m.stack[:m.floor()], m.marks[:len(m.marks)-1]
	return items, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errStack
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) put(key uint64) error {
	v, err := m.top()
	m.memo[key] = v
	return err
}

func (m *machine) get(key uint64) error {
	v, ok := m.memo[key]
	if !ok {
		return fmt.Errorf("nothing is stored as %d", key)
	}
	m.push(v)
	return nil
}

// fill adds items to the list or dictionary on top of the stack.
func (m *machine) fill(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *list:
		v.items = append(v.items, items...)
		return nil
	case *dict:
		pairs, err := paired(items)
		v.items = append(v.items, pairs...)
		return err
	}
	return fmt.Errorf("a %T holds no items", v)
}

func paired(items []any) ([]Item, error) {
	if len(items)%2 != 0 {
		return nil, errors.New("a key has no value")
	}
	pairs := make([]Item, 0, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		pairs = append(pairs, Item{items[i], items[i+1]})
	}
	return pairs, nil
}

// longOf reads two's complement, least byte first.
func longOf(raw []byte) any {
	if len(raw) == 0 {
		return int64(0)
	}
	reversed := make([]byte, len(raw))
	for i, b := range raw {
		reversed[len(raw)-1-i] = b
	}
	n := new(big.Int).SetBytes(reversed)
	if raw[len(raw)-1]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(raw))*8))
	}
	return normal(n)
}

// decimal reads what protocol 0 writes. Its cost grows with the square of the length, so that is bounded.
func decimal(s string) (any, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if len(s) > 10_000 {
		return nil, ErrTooLarge
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no integer", s)
	}
	return normal(n), nil
}

// A budget bounds how large a value may come out whose parts are shared in the pickle.
type budget struct{ left int }

func (b *budget) spend(n int) error {
	if b.left -= n; b.left < 0 {
		return ErrTooLarge
	}
	return nil
}

func (b *budget) plain(v any, depth int) (any, error) {
	if depth > deepest {
		return nil, ErrTooLarge
	}
	cost := 1
	switch v := v.(type) {
	case string:
		cost += len(v)
	case []byte:
		cost += len(v)
	}
	if err := b.spend(cost); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *list:
		return b.all(v.items, depth)
	case *tuple:
		items, err := b.all(v.items, depth)
		return Tuple(items), err
	case *dict:
		d := make(Dict, 0, len(v.items))
		for _, i := range v.items {
			key, err := b.plain(i.Key, depth+1)
			if err != nil {
				return nil, err
			}
			value, err := b.plain(i.Value, depth+1)
			if err != nil {
				return nil, err
			}
			d = append(d, Item{key, value})
		}
		return d, nil
	}
	return v, nil
}

func (b *budget) all(items []any, depth int) ([]any, error) {
	plain := make([]any, 0, len(items))
	for _, v := range items {
		p, err := b.plain(v, depth+1)
		if err != nil {
			return nil, err
		}
		plain = append(plain, p)
	}
	return plain, nil
}
