package kombu

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// appendJSON appends a header value. Unlike encoding/json it keeps a whole float a float ("2.0"), as Python does,
// so that a number comes back as the kind that was sent.
func appendJSON(buf []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case string:
		return appendString(buf, v), nil
	case int:
		return strconv.AppendInt(buf, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(buf, v, 10), nil
	case float64:
		return appendFloat(buf, v)
	case json.Number:
		return append(buf, v...), nil
	case []any:
		return appendList(buf, len(v), func(i int) any { return v[i] })
	case map[string]any:
		return appendMap(buf, v)
	}
	return appendOther(buf, reflect.ValueOf(v))
}

func appendOther(buf []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(buf, v.Bool()), nil
	case reflect.String:
		return appendString(buf, v.String()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(buf, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(buf, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(buf, v.Float())
	case reflect.Slice, reflect.Array:
		return appendList(buf, v.Len(), func(i int) any { return v.Index(i).Interface() })
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return appendMap(buf, m)
	}
	return nil, fmt.Errorf("a %s is not a kind of value that messages carry", v.Type())
}

func appendMap(buf []byte, m map[string]any) ([]byte, error) {
	buf = append(buf, '{')
	first := true
	for k, v := range m {
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = append(appendString(buf, k), ':')
		var err error
		if buf, err = appendJSON(buf, v); err != nil {
			return nil, fmt.Errorf("%q: %w", k, err)
		}
	}
	return append(buf, '}'), nil
}

func appendList(buf []byte, n int, at func(int) any) ([]byte, error) {
	buf = append(buf, '[')
	for i := range n {
		if i > 0 {
			buf = append(buf, ',')
		}
		var err error
		if buf, err = appendJSON(buf, at(i)); err != nil {
			return nil, err
		}
	}
	return append(buf, ']'), nil
}

func appendFloat(buf []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("JSON has no word for a number that is not finite")
	}
	at := len(buf)
	buf = strconv.AppendFloat(buf, f, 'g', -1, 64)
	if !bytes.ContainsAny(buf[at:], ".e") {
		buf = append(buf, ".0"...)
	}
	return buf, nil
}

func appendString(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always can
			return append(buf, quoted...)
		}
	}
	buf = append(buf, '"')
	buf = append(buf, s...)
	return append(buf, '"')
}
