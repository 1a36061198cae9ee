package envelope

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
)

// The kinds of a value: one byte before it.
const (
	kindNil = iota
	kindFalse
	kindTrue
	kindInt
	kindUint // beyond int64
	kindFloat
	kindString
	kindBytes
	kindList
	kindMap
)

// deepest bounds nesting, so that hostile bytes cannot exhaust the stack.
const deepest = 100

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

func appendInt(buf []byte, n int64) ([]byte, error) {
	return binary.AppendVarint(append(buf, kindInt), n), nil
}

func appendMap(buf []byte, m map[string]any) ([]byte, error) {
	buf = binary.AppendUvarint(buf, uint64(len(m)))
	var err error
	for name, v := range m {
		if buf, err = appendValue(appendString(buf, name), v); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
	return buf, nil
}

func appendValue(buf []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(buf, kindNil), nil
	case bool:
		if v {
			return append(buf, kindTrue), nil
		}
		return append(buf, kindFalse), nil
	case string:
		return appendString(append(buf, kindString), v), nil
	case int:
		return appendInt(buf, int64(v))
	case int64:
		return appendInt(buf, v)
	case float64:
		return binary.BigEndian.AppendUint64(append(buf, kindFloat), math.Float64bits(v)), nil
	case []byte:
		return append(binary.AppendUvarint(append(buf, kindBytes), uint64(len(v))), v...), nil
	case map[string]any:
		return appendMap(append(buf, kindMap), v)
	case json.Number:
		return appendNumber(buf, v)
	}
	return appendOther(buf, reflect.ValueOf(v))
}

func appendNumber(buf []byte, n json.Number) ([]byte, error) {
	if i, err := n.Int64(); err == nil {
		return appendInt(buf, i)
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("read number: %w", err)
	}
	return appendValue(buf, f)
}

// appendOther takes the rarer kinds: named and sized numbers, lists and maps of anything.
func appendOther(buf []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		return appendValue(buf, v.Bool())
	case reflect.String:
		return appendValue(buf, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(buf, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() <= math.MaxInt64 {
			return appendInt(buf, int64(v.Uint()))
		}
		return binary.AppendUvarint(append(buf, kindUint), v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return appendValue(buf, v.Float())
	case reflect.Slice, reflect.Array:
		buf = binary.AppendUvarint(append(buf, kindList), uint64(v.Len()))
		var err error
		for i := range v.Len() {
			if buf, err = appendValue(buf, v.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		return buf, nil
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return appendMap(append(buf, kindMap), m)
	}
	return nil, fmt.Errorf("a %s is not a kind of value that messages carry", v.Type())
}
