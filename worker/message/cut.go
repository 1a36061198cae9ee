package message

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Elements cuts a JSON array of kombu's dialect into its elements, which share memory with it. Null has none. An
// error says that raw is not an array, or not JSON.
func Elements(raw []byte) ([]json.RawMessage, error) {
	list := []json.RawMessage{}
	return list, cut(raw, '[', "array", func(i int) (int, error) {
		return elements(raw, i, func(item []byte) { list = append(list, item) })
	})
}

// Members cuts a JSON object of kombu's dialect into its members, which share memory with it. Null has none. An
// error says that raw is not an object, or not JSON.
func Members(raw []byte) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	return m, cut(raw, '{', "object", func(i int) (int, error) {
		return members(raw, i, func(key string, item []byte) { m[key] = item })
	})
}

// Valid tells whether raw is one value of kombu's dialect: JSON, or with NaN and the infinities in it.
func Valid(raw []byte) error {
	end, err := skip(raw, space(raw, 0), 0)
	if err == nil {
		err = atEnd(raw, end)
	}
	return err
}

func cut(raw []byte, bracket byte, kind string, scan func(i int) (int, error)) error {
	i := space(raw, 0)
	if i >= len(raw) {
		return errors.New("cut JSON: there is none")
	}
	if raw[i] != bracket {
		if err := Valid(raw); err != nil {
			return fmt.Errorf("cut JSON: %w", err)
		}
		if raw[i] == 'n' {
			return nil
		}
		return fmt.Errorf("cut JSON: not an %s", kind)
	}
	end, err := scan(i)
	if err == nil {
		err = atEnd(raw, end)
	}
	if err != nil {
		return fmt.Errorf("cut JSON: %w", err)
	}
	return nil
}
