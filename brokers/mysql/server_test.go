package mysql

import (
	"testing"

	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

// The whole contract, on a server of this machine's.
func TestContract(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, Driver)
	subject, relay, err := brokertest.Through(brokertest.Subject{Driver: Driver, Variant: Driver.Variants[0], URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	brokertest.Run(t.Context(), subject, func(r brokertest.ClauseResult) {
		t.Logf("%s: %s %v (%v)", r.Clause.Name, r.Unfit, r.Err, r.Elapsed)
		if r.Err != nil {
			t.Fail()
		}
	})
}
