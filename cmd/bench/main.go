// Command bench compares task queue brokers and concurrency models, breaks them on purpose, and says with evidence
// what was lost, repeated or delayed.
//
// It uses github.com/spf13/cobra for its subcommands, help and shell completion, because completion that knows the
// brokers and scenarios of this build needs more than the flag package, and golang.org/x/term to learn whether a
// person is watching and how wide the window is.
package main

import (
	"os"

	"taskbench/harness/systems/native"
)

func main() {
	native.Main() // first: this process may be a worker, or a worker's child
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}
