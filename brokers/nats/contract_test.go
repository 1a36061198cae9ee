package nats

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

// An embedded server that can be restarted.
type testServer struct {
	launch brokers.Launch
	url    string
	server brokers.Server
}

// launch starts a server of the variant. More is added to its configuration.
func launch(t testing.TB, v brokers.Variant, more string) *testServer {
	t.Helper()
	s := &testServer{launch: brokers.Launch{Variant: v, Dir: t.TempDir(), Host: "127.0.0.1", Port: servertest.FreePort(t)}}
	s.url = Driver.Server.URL(fmt.Sprintf("127.0.0.1:%d", s.launch.Port))
	var err error
	if s.server, err = startWith(t.Context(), s.launch, config(s.launch)+more); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// restart is SIGKILL, and a start with the same data.
func (s *testServer) restart(ctx context.Context) error {
	err := s.server.Close()
	again, startErr := embed(ctx, s.launch)
	if again != nil {
		s.server = again
	}
	return errors.Join(err, startErr)
}

// The whole contract holds for every variant, on the embedded server.
func TestContract(t *testing.T) {
	for _, v := range Driver.Variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel() // each has a server of its own, and mostly waits
			server := launch(t, v, "")
			s, relay, err := brokertest.Through(brokertest.Subject{
				Driver: Driver, Variant: v, URL: server.url, Restart: server.restart,
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Vanish = func(ctx context.Context, queue string) error { return vanish(ctx, server.url, v, queue) }
			t.Cleanup(func() { _ = relay.Close() })
			brokertest.Run(t.Context(), s, func(r brokertest.ClauseResult) {
				t.Run(r.Clause.Name, func(t *testing.T) {
					if r.Unfit != brokertest.Unfit(r.Clause, Driver, v) {
						t.Errorf("not applied: %s", r.Unfit)
					}
					if r.Err != nil {
						t.Errorf("%v\nwhy it matters: %s", r.Err, r.Clause.Why)
					}
					t.Logf("%v", r.Elapsed)
				})
			})
		})
	}
}
