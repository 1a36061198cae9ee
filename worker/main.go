package worker

import (
	"taskbench/worker/pool"
)

// Main takes over the process and does not return when the process was started as a child of a pool; at any other
// time it does nothing. Programs that run workers with the prefork or green pool call it first in main, and test
// binaries in TestMain before flags are parsed and tests run, since a pool child is this same binary without
// arguments of its own. The child inherits the environment of its parent.
//
// The registry must hold what the parent's holds. In a child, and only there, observer is called once, before
// any task runs; it makes what is told of Started and Finished. It may be nil, or return nil: nobody watches. The clock is
// what Options.Clock is to the parent.
func Main(r *Registry, observer func() Observer, clock Clock) {
	if !pool.IsChild() {
		return
	}
	var o Observer
	if observer != nil {
		o = observer()
	}
	if o == nil {
		o = blind{}
	}
	pool.Serve(runner{registry: r, observer: o, clock: clock}.run)
}
