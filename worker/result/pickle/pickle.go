// Package pickle reads and writes the plain values among Python's pickles: None, booleans, integers of any size,
// floats, strings, bytes, lists, tuples and dictionaries. What would make Python import or call something is refused.
package pickle

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// A Tuple is Python's. Lists are []any.
type Tuple []any

// A Dict is a dictionary in its order; its keys need not be comparable in Go.
type Dict []Item

// An Item is one entry of a Dict.
type Item struct{ Key, Value any }

// Get finds the value of a string key, the last one where it was set several times.
func (d Dict) Get(key string) (any, bool) {
	for _, i := range slices.Backward(d) {
		if k, ok := i.Key.(string); ok && k == key {
			return i.Value, true
		}
	}
	return nil, false
}

// ErrUnsafe is in the error for a pickle that holds more than plain values: objects, classes, calls.
var ErrUnsafe = errors.New("it holds more than plain values")

// ErrTooLarge is in the error for a pickle whose value would be larger or deeper than what plain data comes to.
var ErrTooLarge = errors.New("its value is too large or nested too deeply")

// deepest bounds nesting, so that hostile input cannot exhaust the stack.
const deepest = 1000

// normal is an int64 where that holds the number.
func normal(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

func unsupported(v any) error { return fmt.Errorf("no pickle for a %T", v) }
