package scenario

import (
	"slices"
	"time"
)

// Known is what a scenario may name. Hooks that are nil check nothing.
type Known struct {
	Tasks   []TaskSpec
	Faults  []FaultSpec
	Steps   []Param  // of the protocol, at which a fault can happen
	Pools   []string // the first is the default
	Systems []string // the first is the default

	Broker func(name string) error // whether there is such a broker, or broker:variant
	Expect func(expr string) error // whether the expression is one
}

// A TaskSpec describes one synthetic task.
type TaskSpec struct {
	Name, Doc string
	Params    []Param  // which keys of a mix mean something to it, besides those that every task takes
	Needs     []string // keys that it cannot do without; of alternatives joined by | just one
}

// A FaultSpec describes one way to hurt one kind of node.
type FaultSpec struct {
	Name, Node, Doc string
	Params          []Param       // what it takes besides `for`
	Lasting         bool          // it makes no sense without `for`
	Default         time.Duration // `for` where the schedule does not say
	Whole           bool          // it hurts every node of its kind, so that it leaves nothing for a fault beside it
}

// A Param is one parameter of a task or a fault. What follows its description is a fault's: the keys of a task have
// their types in the table of the file.
type Param struct {
	Name, Doc string
	Default   any      // its value where nothing is said, whose type is the parameter's: see Parse
	Choices   []string // where it is a string: all that it can be
	Positive  bool     // it must be above 0
	Signed    bool     // a duration or percentage that may be below 0; with Positive all but 0

	Most time.Duration // the longest that a duration may be; 0 for any
}

func (k Known) task(name string) (TaskSpec, bool) {
	i := slices.IndexFunc(k.Tasks, func(t TaskSpec) bool { return t.Name == name })
	if i < 0 {
		return TaskSpec{}, false
	}
	return k.Tasks[i], true
}

// faults are the specs of a name, one for each node that it can hurt.
func (k Known) faults(name string) []FaultSpec {
	var found []FaultSpec
	for _, f := range k.Faults {
		if f.Name == name {
			found = append(found, f)
		}
	}
	return found
}

func names[T any](list []T, name func(T) string) []string {
	var all []string
	for _, t := range list {
		if n := name(t); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func paramNames(list []Param) []string { return names(list, func(p Param) string { return p.Name }) }
