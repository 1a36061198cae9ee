package nats

import (
	"os/exec"
	"testing"

	"taskbench/brokers/brokertest"
)

// The whole contract holds on a server that is killed and comes back, and no clause is left out that the variant promises. The labs' own test
// has the other variants.
func TestContract(t *testing.T) {
	for _, v := range Driver.Variants[:1] {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			server := launch(t, v, plain)
			s, relay, err := brokertest.Through(brokertest.Subject{
				Driver: Driver, Variant: v, URL: server.url, Kill: server.kill,
			})
			if err != nil {
				t.Fatal(err)
			}
			s = brokertest.Holding(s, func(queue string) *exec.Cmd { return taker(server.url, v, queue) })
			t.Cleanup(func() { _ = relay.Close() })
			brokertest.Run(t.Context(), s, func(r brokertest.ClauseResult) {
				t.Run(r.Clause.Name, func(t *testing.T) {
					if r.Unfit != brokertest.Unfit(r.Clause, Driver, v) {
						t.Errorf("not applied: %s", r.Unfit)
					}
					if r.Err != nil {
						t.Errorf("%v\nwhy it matters: %s", r.Err, r.Clause.Why)
					}
				})
			})
		})
	}
}
