package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"taskbench/worker/event/repr"
)

// An Answer is what most commands reply.
type Answer struct {
	OK    any    `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
}

// OK is the answer of a command that did what it was asked: {"ok": text}.
func OK(format string, args ...any) Answer { return Answer{OK: fmt.Sprintf(format, args...)} }

// Refused is the answer of a command that understood and will not: {"error": text}.
func Refused(format string, args ...any) Answer { return Answer{Error: fmt.Sprintf(format, args...)} }

// ErrNoReply is returned by the handler of a command that Celery does not answer, such as shutdown.
var ErrNoReply = errors.New("no reply")

// An exception is an error as Python shows it.
type exception struct{ class, text string }

func (e exception) Error() string {
	text, _ := json.Marshal(e.text) // a string always can
	return repr.Exception(e.class, text)
}

// Raise is an error with the text that Celery gives to an exception: Raise("ValueError", "boom") is ValueError('boom').
func Raise(class, format string, args ...any) error {
	return exception{class, fmt.Sprintf(format, args...)}
}

// failure is the answer of a handler that returned an error.
func failure(err error) Answer {
	var raised exception
	if !errors.As(err, &raised) {
		raised = exception{"Exception", err.Error()}
	}
	return Answer{Error: raised.Error()}
}

// A Float is written with a point, as Python writes its own: a whole one would come back as an integer, which
// Celery takes for an error where it expects a time. What is not finite is written as null.
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	text := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if abs := math.Abs(float64(f)); abs >= 1e-4 && abs < 1e16 {
		text = strconv.FormatFloat(float64(f), 'f', -1, 64)
	}
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}

// Arg is a command's argument, or the fallback where it is absent or null. An argument of another type is a TypeError.
func Arg[T any](args map[string]json.RawMessage, name string, fallback T) (T, error) {
	raw, there := args[name]
	if !there || string(raw) == "null" {
		return fallback, nil
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return fallback, Raise("TypeError", "argument %s is %.80s, which is of another type", name, raw)
	}
	return v, nil
}

// Bool is Arg for a yes or no. A number is one too, as in Python: Flower's terminate is 0 or 1.
func Bool(args map[string]json.RawMessage, name string) (bool, error) {
	var n float64
	if json.Unmarshal(args[name], &n) == nil {
		return n != 0, nil
	}
	return Arg(args, name, false)
}

// Need is Arg for an argument that a command cannot do without.
func Need[T any](args map[string]json.RawMessage, name string) (v T, err error) {
	if raw, there := args[name]; !there || string(raw) == "null" {
		return v, Raise("TypeError", "missing 1 required positional argument: '%s'", name)
	}
	return Arg(args, name, v)
}

// Strings is Need for an argument that is one text or a list of them, as task ids are.
func Strings(args map[string]json.RawMessage, name string) ([]string, error) {
	return Need[names](args, name)
}
