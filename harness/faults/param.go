package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskbench/harness/scenario"
)

// A Param is a parameter of a fault, named by its key in Fault.Params. The type of its default is its own: a
// time.Duration, Bytes, Percent, an int for a count, or a string that is one of its choices.
type Param = scenario.Param

// The types of parameters that are no plain Go types.
type (
	Bytes   = scenario.Bytes
	Percent = scenario.Percent
)

// Args are what a fault is injected with; Fault.Args makes them.
type Args struct {
	For    time.Duration  // how long it lasts; 0 where the fault is over as soon as it happened
	params map[string]any // every one that the fault has
}

// Args reads parameters as they are written in a schedule, and takes the defaults for those that are not. The error
// is all mistakes.
func (f Fault) Args(lasts time.Duration, written map[string]string) (Args, error) {
	a := Args{For: lasts, params: map[string]any{}}
	for name, p := range f.Params {
		a.params[name] = p.Default
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(written)) {
		p, ok := f.Params[name]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(f.Params)), ", ")
			wrong = append(wrong, fmt.Errorf("fault %s has no parameter %s: it has %s", f.Name, name, known))
			continue
		}
		p.Name = name
		v, err := p.Parse(written[name])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("parameter %s of fault %s: %w", name, f.Name, err))
			continue
		}
		a.params[name] = v
	}
	return a, errors.Join(wrong...)
}

// only is the value of the only parameter, as it is written; "" where there is none.
func (a Args) only() string {
	for _, v := range a.params {
		return scenario.FormatValue(v)
	}
	return ""
}

// param is the value of a parameter. The fault asks for its own by name and type: another one is a mistake in its code.
func param[T any](a Args, name string) T { return a.params[name].(T) }
