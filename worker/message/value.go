package message

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// typeKey marks an object that stands for a Python value that JSON does not have.
const typeKey = `"__type__"`

// Decode reads one value of kombu's JSON dialect: objects become map[string]any, arrays []any, integers int64
// (json.Number beyond that), other numbers float64, NaN and the infinities included. Wrapped values become
// time.Time (datetime and date; naive ones are UTC), []byte (bytes), and string (time, uuid, decimal).
func Decode(raw []byte) (any, error) {
	v, end, err := decode(raw, space(raw, 0), 0)
	if err == nil {
		err = atEnd(raw, end)
	}
	if err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	return v, nil
}

// decode reads the value at b[i] and returns the index just after it.
func decode(b []byte, i, depth int) (any, int, error) {
	if i >= len(b) {
		return nil, i, syntaxAt(b, i)
	}
	switch b[i] {
	case '[':
		list := []any{}
		end, err := scanArray(b, i, depth, func(i int) (int, error) {
			v, end, err := decode(b, i, depth+1)
			list = append(list, v)
			return end, err
		})
		return list, end, err
	case '{':
		m := map[string]any{}
		end, err := scanObject(b, i, depth, func(key []byte, i int) (int, error) {
			v, end, err := decode(b, i, depth+1)
			m[unquote(key)] = v
			return end, err
		})
		if err != nil {
			return nil, end, err
		}
		v, err := unwrap(m)
		return v, end, err
	}
	end, err := skip(b, i, depth)
	if err != nil {
		return nil, end, err
	}
	switch b[i] {
	case 'n':
		return nil, end, nil
	case 't', 'f':
		return b[i] == 't', end, nil
	case '"':
		return unquote(b[i:end]), end, nil
	}
	return decodeNumber(string(b[i:end])), end, nil
}

func decodeNumber(s string) any {
	switch s {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if !strings.ContainsAny(s, ".eE") {
		return json.Number(s)
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range is an infinity, as in Python
	return f
}

// unwrap turns a decoded wrapper into the value that it stands for, and leaves every other object as it is.
func unwrap(m map[string]any) (any, error) {
	kind, typed := m["__type__"]
	value, valued := m["__value__"]
	if !typed || !valued || len(m) != 2 {
		return m, nil
	}
	text, isText := value.(string)
	switch kind {
	case "datetime", "date":
		if isText {
			return ParseTime(text, time.UTC)
		}
	case "time", "decimal":
		if isText {
			return text, nil
		}
	case "bytes":
		if isText {
			return []byte(text), nil
		}
	case "base64":
		if isText {
			return base64.StdEncoding.DecodeString(text)
		}
	case "uuid":
		inner, _ := value.(map[string]any)
		if h, ok := inner["hex"].(string); ok {
			return uuidText(h)
		}
	default:
		return nil, fmt.Errorf("unknown __type__ %v", kind)
	}
	return nil, fmt.Errorf("__value__ %v does not fit __type__ %v", value, kind)
}

func uuidText(h string) (string, error) {
	if b, err := hex.DecodeString(h); err != nil || len(b) != 16 {
		return "", fmt.Errorf("%q is not the hex form of a uuid", h)
	}
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// Unmarshal is json.Unmarshal for kombu's dialect. Wrapped times fit a time.Time or string, wrapped bytes a
// []byte, the others a string. NaN and the infinities fit a *float64 or an *any alone.
func Unmarshal(raw []byte, into any) error {
	if !special(raw) {
		return json.Unmarshal(raw, into)
	}
	v, err := Decode(raw)
	if err != nil {
		return err
	}
	switch into := into.(type) {
	case *any:
		*into = v
		return nil
	case *float64:
		if f, ok := v.(float64); ok {
			*into = f
			return nil
		}
	}
	plain, err := json.Marshal(v)
	var bad *json.UnsupportedValueError
	if errors.As(err, &bad) {
		return fmt.Errorf("decode JSON: %s only fits a *float64 or an *any", bad.Str)
	}
	if err != nil {
		return fmt.Errorf("decode JSON: %w", err)
	}
	return json.Unmarshal(plain, into)
}

// special tells whether raw may hold what encoding/json does not know. A string may look like it does; the way
// round is then longer, and right.
func special(raw []byte) bool {
	return bytes.Contains(raw, []byte(typeKey)) || bytes.Contains(raw, []byte("NaN")) || bytes.Contains(raw, []byte("Infinity"))
}
