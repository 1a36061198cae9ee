package sqlite

import (
	"os/exec"
	"slices"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// unpromised are the promises that the variants do not make.
var unpromised = map[string][]brokers.Promise{
	"wal": {brokers.Exchanges}, "wal-full": {brokers.Exchanges},
	"kombu": {
		brokers.Exchanges, brokers.Priorities, brokers.Redelivers, brokers.RedeliverFlag, brokers.CountsUnacked, brokers.Timeout,
	},
}

// TestContract runs the whole contract against each variant, with child processes that are killed and stopped.
func TestContract(t *testing.T) {
	for _, v := range Driver.Variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			unfit := map[string]bool{}
			for _, c := range brokertest.Clauses() {
				unfit[c.Name] = c.Lease && v.Name == "kombu" || slices.ContainsFunc(c.Needs, func(p brokers.Promise) bool { return slices.Contains(unpromised[v.Name], p) })
				for _, h := range c.Hooks {
					unfit[c.Name] = unfit[c.Name] || h != brokertest.Vanish && h != brokertest.Stall // there is no server and no link
				}
			}
			url := Driver.Server.URL(t.TempDir())
			if version, err := Driver.Server.Ready(t.Context(), url); err != nil || version == "" {
				t.Fatalf("the library is not ready: version %q, %v", version, err)
			}
			s := brokertest.Holding(brokertest.Subject{Driver: Driver, Variant: v, URL: url}, func(queue string) *exec.Cmd {
				return holder(url, queue)
			})
			brokertest.Run(t.Context(), s, func(r brokertest.ClauseResult) {
				t.Run(r.Clause.Name, func(t *testing.T) {
					if (r.Unfit != "") != unfit[r.Clause.Name] {
						t.Errorf("applied: %v (%s), want %v", r.Unfit == "", r.Unfit, !unfit[r.Clause.Name])
					}
					if r.Err != nil {
						t.Errorf("%v\nwhy it matters: %s", r.Err, r.Clause.Why)
					}
				})
			})
		})
	}
}

func openAt(t testing.TB, url string, v brokers.Variant) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*broker)
}
