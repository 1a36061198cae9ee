package harness_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab/labs"
	"taskbench/harness/scenario"
)

// A server whose disk is full keeps what it has confirmed, whether it refuses the rest or ends over it, and goes on once there
// is room.
func TestTheDiskIsFull(t *testing.T) {
	servertest.Needed(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can give a server a disk of its own")
	}
	for _, broker := range []string{"redis:aof-always", "redis:aof-everysec", "postgres:lease", "rabbitmq:quorum"} {
		t.Run(broker, func(t *testing.T) {
			d, _, err := all.Find(broker)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := labs.Pick(t.Context(), "process", d, d.Variants[0], labs.Options{}); err != nil && os.Getenv("BENCH_LAB") != "process" {
				t.Skipf("this machine has no server for %s: %v", d.Name, err)
			}
			t.Parallel() // it mostly waits
			s := small("goroutine", scenario.TaskMix{Task: "noop", Weight: 1, Payload: 4096})
			s.Load.For = 3 * time.Second
			s.Faults = []scenario.Fault{{Number: 1, At: 500 * time.Millisecond, Fault: "disk-full", Node: "broker", For: time.Second}}
			c, _, _ := runOn(t, broker, "process", s)
			if len(c.Faults) != 1 || !strings.HasPrefix(c.Faults[0].Proof, "no room is left on its disk") || c.Faults[0].Healed == 0 {
				t.Errorf("faults %+v; warnings %q", c.Faults, c.Warnings)
			}
			if n := c.Counts; n.Lost+n.Stuck+n.Orphaned+n.Unexpected > 0 || n.Refused+n.Unknown == 0 || n.Executed == 0 {
				t.Errorf("%+v; warnings %q", n, c.Warnings)
			}
		})
	}
}
