package message

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/tinylib/msgp/msgp"
)

// The content types that can be read where a worker accepts them. Pickle is never read: it runs what it is told.
const (
	MessagePack = "application/x-msgpack"
	YAML        = "application/x-yaml"
	pickle      = "application/x-python-serialize"
)

// text is the body in JSON, of whatever content type and compression it came.
func (t *Task) text() ([]byte, error) {
	body, err := unpack(t.Message)
	if err != nil {
		return nil, t.fail(Packing, err)
	}
	switch t.Message.ContentType {
	case MessagePack:
		body, err = fromMessagePack(body)
	case YAML:
		body, err = fromYAML(body)
	}
	if err != nil {
		return nil, t.fail(Syntax, err)
	}
	return body, nil
}

// fromMessagePack writes one MessagePack value as JSON in kombu's dialect: binary becomes its wrapper.
func fromMessagePack(b []byte) ([]byte, error) {
	text, rest, err := appendPacked(make([]byte, 0, len(b)+len(b)/2), b, 0)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read MessagePack: %w", err)
	case len(rest) > 0:
		return nil, fmt.Errorf("read MessagePack: %d bytes follow the value", len(rest))
	}
	return text, nil
}

func appendPacked(text, b []byte, depth int) ([]byte, []byte, error) {
	if depth > deepest {
		return nil, nil, errDeep
	}
	switch msgp.NextType(b) {
	case msgp.ArrayType:
		n, b, err := msgp.ReadArrayHeaderBytes(b)
		text = append(text, '[')
		for i := uint32(0); i < n && err == nil; i++ {
			text = comma(text, i)
			text, b, err = appendPacked(text, b, depth+1)
		}
		return append(text, ']'), b, err
	case msgp.MapType:
		n, b, err := msgp.ReadMapHeaderBytes(b)
		text = append(text, '{')
		for i := uint32(0); i < n && err == nil; i++ {
			text = comma(text, i)
			if text, b, err = appendPackedKey(text, b); err == nil {
				text, b, err = appendPacked(append(text, ": "...), b, depth+1)
			}
		}
		return append(text, '}'), b, err
	}
	return appendPackedScalar(text, b)
}

func comma(text []byte, i uint32) []byte {
	if i > 0 {
		text = append(text, ", "...)
	}
	return text
}

// appendPackedKey makes a string of a key that is none, as Python's json does.
func appendPackedKey(text, b []byte) ([]byte, []byte, error) {
	if msgp.NextType(b) == msgp.BinType {
		key, rest, err := msgp.ReadBytesZC(b)
		return appendString(text, string(key)), rest, err
	}
	key, rest, err := appendPackedScalar(nil, b)
	if err == nil && len(key) > 0 && key[0] != '"' {
		key = appendString(nil, string(key))
	}
	return append(text, key...), rest, err
}

func appendPackedScalar(text, b []byte) ([]byte, []byte, error) {
	switch kind := msgp.NextType(b); kind {
	case msgp.StrType:
		s, rest, err := msgp.ReadStringZC(b)
		return appendString(text, string(s)), rest, err
	case msgp.BinType:
		raw, rest, err := msgp.ReadBytesZC(b)
		text = append(text, `{"__type__": "base64", "__value__": "`...)
		return append(base64.StdEncoding.AppendEncode(text, raw), `"}`...), rest, err
	case msgp.IntType:
		n, rest, err := msgp.ReadInt64Bytes(b)
		return strconv.AppendInt(text, n, 10), rest, err
	case msgp.UintType:
		n, rest, err := msgp.ReadUint64Bytes(b)
		return strconv.AppendUint(text, n, 10), rest, err
	case msgp.Float64Type, msgp.Float32Type:
		f, rest, err := msgp.ReadFloat64Bytes(b)
		return appendFloat(text, f), rest, err
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(b)
		return strconv.AppendBool(text, v), rest, err
	case msgp.NilType:
		rest, err := msgp.ReadNilBytes(b)
		return append(text, "null"...), rest, err
	case msgp.TimeType:
		at, rest, err := msgp.ReadTimeBytes(b)
		return fmt.Appendf(text, `{"__type__": "datetime", "__value__": %q}`, FormatTime(at.UTC())), rest, err
	case msgp.InvalidType:
		return nil, nil, msgp.ErrShortBytes
	default:
		return nil, nil, fmt.Errorf("a value of kind %v, which no Celery sends", kind)
	}
}

func appendString(text []byte, s string) []byte {
	if plain(s) {
		return append(append(append(text, '"'), s...), '"')
	}
	raw, _ := json.Marshal(s) // a string always encodes
	return append(text, raw...)
}

// appendFloat writes what Python's json would, a whole number as a float.
func appendFloat(text []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(text, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			text = append(text, '-')
		}
		return append(text, "Infinity"...)
	}
	from := len(text)
	text = strconv.AppendFloat(text, f, 'g', -1, 64)
	if !bytes.ContainsAny(text[from:], ".eE") {
		text = append(text, ".0"...)
	}
	return text
}

// Bounds of YAML, whose reader works harder than the others for each byte.
const (
	longestYAML = 4 << 20
	deepestYAML = 200
)

// fromYAML writes a YAML document as JSON. Aliases are refused: a few of them can stand for more than memory holds.
func fromYAML(b []byte) ([]byte, error) {
	if err := checkYAML(b); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	var v any
	if err := yaml.UnmarshalWithOptions(b, &v, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("read YAML: %s", yaml.FormatError(err, false, false))
	}
	text, err := appendAny(make([]byte, 0, 2*len(b)), v)
	if err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	return text, nil
}

func checkYAML(b []byte) error {
	if len(b) > longestYAML {
		return fmt.Errorf("it has %d bytes, and %d are read at most", len(b), longestYAML)
	}
	open := 0
	for line := range bytes.Lines(b) {
		if content := bytes.TrimLeft(line, " -?"); len(line)-len(content) > 2*deepestYAML {
			return fmt.Errorf("nested deeper than %d", deepestYAML)
		}
		for i, c := range line {
			switch {
			case c == '[' || c == '{':
				open++
			case c == ']' || c == '}':
				open = max(open-1, 0)
			case (c == '*' || c == '&') && (i == 0 || bytes.IndexByte([]byte(" -[,:?"), line[i-1]) >= 0):
				return errors.New("anchors and aliases are not taken")
			}
			if open > deepestYAML {
				return fmt.Errorf("nested deeper than %d", deepestYAML)
			}
		}
	}
	return nil
}

// appendAny writes what a YAML document decodes to.
func appendAny(text []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case []any:
		text = append(text, '[')
		for i, item := range v {
			if text, err = appendAny(comma(text, uint32(min(i, 1))), item); err != nil {
				return nil, err
			}
		}
		return append(text, ']'), nil
	case yaml.MapSlice:
		text = append(text, '{')
		for i, item := range v {
			text = append(appendString(comma(text, uint32(min(i, 1))), fmt.Sprint(item.Key)), ": "...)
			if text, err = appendAny(text, item.Value); err != nil {
				return nil, err
			}
		}
		return append(text, '}'), nil
	case float64:
		return appendFloat(text, v), nil
	case string:
		return appendString(text, v), nil
	case time.Time:
		return fmt.Appendf(text, `{"__type__": "datetime", "__value__": %q}`, FormatTime(v)), nil
	}
	raw, err := json.Marshal(v)
	return append(text, raw...), err
}
