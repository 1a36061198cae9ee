package harness_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/postgres"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/harness"
	"taskbench/harness/lab/labs"
	"taskbench/harness/scenario"
)

// Results that are kept in the broker's server are in the ledger, their stage in the report, and the fault proxy finds the
// step at which one is stored.
func TestResultsInTheBroker(t *testing.T) {
	servertest.Needed(t)
	for broker, d := range map[string]brokers.Driver{"redis:memory": redis.Driver, "postgres:lease": postgres.Driver, "rabbitmq:quorum": rabbitmq.Driver} {
		t.Run(broker, func(t *testing.T) {
			if _, _, err := labs.Pick(t.Context(), "process", d, d.Variants[0], labs.Options{}); err != nil && os.Getenv("BENCH_LAB") != "process" {
				t.Skipf("this machine has no server for %s: %v", d.Name, err)
			}
			t.Parallel() // it mostly waits
			keptInTheBroker(t, broker)
		})
	}
}

func keptInTheBroker(t *testing.T, broker string) {
	s := small("goroutine", scenario.TaskMix{Task: "bulky", Result: 64, Weight: 1})
	s.System.Results = "broker"
	s.Faults = []scenario.Fault{{Number: 1, At: 200 * time.Millisecond, Fault: "disconnect", Node: "broker", On: "result", Nth: 3, For: 200 * time.Millisecond}}
	c, h, _ := runOn(t, broker, "process", s)
	if len(c.Faults) != 1 || !strings.HasPrefix(c.Faults[0].Proof, "result 3 on connection") || c.Faults[0].Steps["result"] != 3 {
		t.Errorf("faults %+v; warnings %q", c.Faults, c.Warnings)
	}
	stored := 0
	for task := range h.All() {
		for _, a := range task.Attempts {
			if a.Stored != 0 {
				stored++
				break
			}
		}
	}
	if n := c.Counts; n.Lost+n.Stuck+n.Orphaned > 0 || n.Executed < n.Acknowledged || stored < n.Executed {
		t.Errorf("%d results were stored: %+v", stored, n)
	}
	if got := c.Latency["finish_to_result"].Count; got != int64(stored) {
		t.Errorf("the stage to the result has %d values, for %d results", got, stored)
	}
}

func TestResultsThatNoBackendKeepsAreUnfit(t *testing.T) {
	s := small("goroutine", scenario.TaskMix{Task: "noop", Weight: 1})
	s.System.Results = "broker"
	p, err := harness.NewPlan(t.Context(), harness.Request{Name: "results", Scenarios: []scenario.Scenario{s}, Brokers: []string{"memory"}, Lab: "embedded", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if why := p.Cells[0].Unfit; !strings.Contains(why, "results in the broker") {
		t.Errorf("unfit: %q", why)
	}
}
