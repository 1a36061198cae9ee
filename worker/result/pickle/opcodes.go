package pickle

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

var errText = errors.New("a string is not UTF-8")

// step carries out one opcode: those of plain values here, in opaque what refers to other code.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		n, err := m.size(1)
		if err == nil && n > 5 {
			err = errors.New("the protocol is newer than 5")
		}
		return err
	case 0x95: // FRAME
		_, err := m.take(8)
		return err
	case '(':
		m.marks = append(m.marks, len(m.stack))
		return nil
	case 'N':
		m.push(nil)
	case 0x88, 0x89:
		m.push(op == 0x88)
	case '0':
		_, err := m.pop()
		return err
	case '1':
		_, err := m.popMark()
		return err
	case '2':
		v, err := m.top()
		m.push(v)
		return err
	case 'K', 'M', 'J', 0x8a, 0x8b, 'I', 'L', 'F', 'G':
		return m.number(op)
	case 'X', 0x8c, 0x8d, 'V', 'S', 'U', 'T', 'B', 'C', 0x8e, 0x96:
		return m.text(op)
	case 'p', 'q', 'r', 0x94, 'g', 'h', 'j':
		return m.remember(op)
	case 'c', 0x93, 'R', 'i', 'o', 'b', 0x81, 0x92, 'P', 'Q', 0x82, 0x83, 0x84, 0x97, 0x98:
		return ErrUnsafe // classes, calls, and what the reader would have to look up
	default:
		return m.container(op)
	}
	return nil
}

func (m *machine) number(op byte) error {
	var v any
	switch op {
	case 'K', 'M':
		n, err := m.size(map[byte]uint64{'K': 1, 'M': 2}[op])
		if err != nil {
			return err
		}
		v = int64(n)
	case 'J':
		n, err := m.size(4)
		if err != nil {
			return err
		}
		v = int64(int32(n))
	case 0x8a, 0x8b:
		raw, err := m.sized(map[byte]uint64{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		v = longOf(raw)
	case 'G':
		raw, err := m.take(8)
		if err != nil {
			return err
		}
		v = math.Float64frombits(binary.BigEndian.Uint64(raw))
	default:
		s, err := m.line()
		if err != nil {
			return err
		}
		if v, err = spelled(op, s); err != nil {
			return err
		}
	}
	m.push(v)
	return nil
}

// spelled reads a number of protocol 0, whose booleans are integers with a zero before them.
func spelled(op byte, s string) (any, error) {
	switch {
	case op == 'F':
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, errors.New("a float is none")
		}
		return f, nil
	case op == 'I' && (s == "00" || s == "01"):
		return s == "01", nil
	case op == 'L' && len(s) > 0 && s[len(s)-1] == 'L':
		s = s[:len(s)-1]
	}
	return decimal(s)
}

func (m *machine) text(op byte) error {
	switch op {
	case 'X', 0x8c, 0x8d, 'U', 'T':
		raw, err := m.sized(map[byte]uint64{'X': 4, 0x8c: 1, 0x8d: 8, 'U': 1, 'T': 4}[op])
		if err != nil {
			return err
		}
		if !utf8.Valid(raw) {
			return errText
		}
		m.push(string(raw))
		return nil
	case 'B', 'C', 0x8e, 0x96:
		raw, err := m.sized(map[byte]uint64{'B': 4, 'C': 1, 0x8e: 8, 0x96: 8}[op])
		if err != nil {
			return err
		}
		m.push(append([]byte{}, raw...))
		return nil
	}
	s, err := m.line()
	if err == nil {
		s, err = unescape(op, s)
	}
	if err != nil {
		return err
	}
	m.push(s)
	return nil
}

// remember stores the top of the stack, or brings back what was stored.
func (m *machine) remember(op byte) error {
	var key uint64
	var err error
	switch op {
	case 0x94:
		return m.put(uint64(len(m.memo)))
	case 'q', 'h':
		key, err = m.size(1)
	case 'r', 'j':
		key, err = m.size(4)
	default:
		var s string
		if s, err = m.line(); err == nil {
			key, err = strconv.ParseUint(s, 10, 32)
		}
	}
	switch {
	case err != nil:
		return err
	case op == 'p' || op == 'q' || op == 'r':
		return m.put(key)
	}
	return m.get(key)
}

func (m *machine) container(op byte) error {
	switch op {
	case ']', 0x8f: // a set is read as a list
		m.push(&list{})
	case '}':
		m.push(&dict{})
	case ')':
		m.push(&tuple{})
	case 'l', 't', 'd', 'e', 'u', 0x90, 0x91:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.collect(op, items)
	case 'a', 's', 0x85, 0x86, 0x87:
		n := map[byte]int{'a': 1, 's': 2, 0x85: 1, 0x86: 2, 0x87: 3}[op]
		items := make([]any, n)
		for i := range items {
			v, err := m.pop()
			if err != nil {
				return err
			}
			items[n-1-i] = v
		}
		if op == 'a' || op == 's' {
			return m.fill(items)
		}
		m.push(&tuple{items})
	default:
		return errors.New("there is no such opcode")
	}
	return nil
}

// collect makes a container of what stood above the mark, or adds it to the one below.
func (m *machine) collect(op byte, items []any) error {
	switch op {
	case 'l', 0x91:
		m.push(&list{items})
	case 't':
		m.push(&tuple{items})
	case 'd':
		pairs, err := paired(items)
		m.push(&dict{pairs})
		return err
	default:
		return m.fill(items)
	}
	return nil
}
