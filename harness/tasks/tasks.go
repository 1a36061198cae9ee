// Package tasks is the synthetic tasks that the workers run while they are measured and hurt, and the mix that
// decides which task each message asks for. What a task does is in its arguments alone: every random choice is
// made by the sender from the run's seed, so that any worker on any machine does the same.
package tasks

import (
	"fmt"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

// Prefix goes before a task's short name, which scenarios use, to make its name in messages.
const Prefix = "bench."

// A task is one entry of the list that everything in this package is made from.
type task struct {
	spec scenario.TaskSpec
	run  worker.Func
}

// all is the list of tasks, in the order in which they are shown.
var all = []task{noop, cpu, io, leak, fail, crash, poison, stubborn, blocker, bulky}

// Specs describes the tasks to scenarios and to people.
func Specs() []scenario.TaskSpec {
	specs := make([]scenario.TaskSpec, len(all))
	for i, t := range all {
		specs[i] = t.spec
	}
	return specs
}

// Registry is a new registry with every task.
func Registry() *worker.Registry {
	r := &worker.Registry{}
	for _, t := range all {
		r.Add(Prefix+t.spec.Name, t.run)
	}
	return r
}

// arguments decodes keyword arguments, and keeps the first error.
type arguments struct {
	r   *worker.Request
	err error
}

func (a *arguments) get(name string, into any) (there bool) {
	there, err := a.r.Kwarg(name, into)
	if a.err == nil {
		a.err = err
	}
	return there
}

// need is get of an argument that must be there.
func (a *arguments) need(name string, into any) {
	if !a.get(name, into) && a.err == nil {
		a.err = fmt.Errorf("task %s: argument %s is missing", a.r.Task, name)
	}
}
