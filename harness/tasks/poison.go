package tasks

import (
	"context"
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/scenario"
	"taskbench/worker"
)

var poison = task{
	spec: scenario.TaskSpec{
		Name:   "poison",
		Doc:    "A message that no worker can run: it is to be kept aside, and no other to suffer from it.",
		Params: []scenario.Param{{Name: "flaw", Doc: "name: no worker knows a task of that name; body: its arguments cannot be decoded"}},
		Needs:  []string{"flaw"},
	},
	run: runPoison,
}

// runPoison is never reached by a message of a mix.
func runPoison(_ context.Context, r *worker.Request) (any, error) {
	return nil, fmt.Errorf("task %s: its argument flaw is missing: a message like this should have been refused", r.Task)
}

// unknownTask is the name that a poison message with a flaw in its name asks for.
const unknownTask = Prefix + "poison.that-nobody-knows"

// garble is JSON that ends in the middle of a list, as of a message that was cut off.
const garble = `[[], {"order": [1, 2, `

// spoil gives a message its flaw.
func spoil(m *brokers.Message, flaw string) error {
	switch flaw {
	case "name":
		m.Headers["task"] = unknownTask
	case "body":
		m.Body = []byte(garble)
	default:
		return fmt.Errorf("there is no flaw %q: take name or body", flaw)
	}
	return nil
}
