package memory

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// TestContract runs the whole contract against the embedded server, over TCP.
func TestContract(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server, err := Driver.Server.Embedded(t.Context(), brokers.Launch{Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	url := Driver.Server.URL(l.Addr().String())
	if version, err := Driver.Server.Ready(t.Context(), url); err != nil || version == "" {
		t.Fatalf("the server is not ready: version %q, %v", version, err)
	}
	s, relay, err := brokertest.Through(brokertest.Subject{Driver: Driver, Variant: Driver.Variants[0], URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
	}()
	unfit := map[string]string{
		"survives-kill": "no survives-kill", "held-survives-kill": "no survives-kill", "acked-survives-kill": "no survives-kill",
		"delayed-survives-kill": "no survives-kill", "lease-ends-not-early": "no timeout", "lease-is-renewed": "no timeout",
		"unacked-returns-on-death": "no way to vanish it", "publish-to-dead-keeps-deadline": "no way to kill it", // the labs have both
	}
	brokertest.Run(t.Context(), s, func(r brokertest.ClauseResult) {
		t.Run(r.Clause.Name, func(t *testing.T) {
			if r.Unfit != unfit[r.Clause.Name] {
				t.Errorf("not applied: %q, want %q", r.Unfit, unfit[r.Clause.Name])
			}
			if r.Err != nil {
				t.Errorf("%v\nwhy it matters: %s", r.Err, r.Clause.Why)
			}
		})
	})
}

// TestInProcessBrokerKeepsTheContractToo runs in a bubble: waiting takes no time there, and I/O would be an error.
func TestInProcessBrokerKeepsTheContractToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		d := Driver
		d.Server.Library = true // it has no link that could break
		d.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return e.Broker(), nil }
		applied := 0
		brokertest.Run(t.Context(), brokertest.Subject{Driver: d, Variant: d.Variants[0]}, func(r brokertest.ClauseResult) {
			if r.Unfit == "" {
				applied++
			}
			if r.Err != nil {
				t.Errorf("%s: %v", r.Clause.Name, r.Err)
			}
		})
		if applied < 30 {
			t.Errorf("only %d clauses were applied", applied)
		}
	})
}
