package harness

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"taskbench/harness/lab"
	"taskbench/harness/systems"
)

// stubborn is a worker that leaves only when it is killed.
type stubborn struct{ systems.Worker }

func (stubborn) Stop(ctx context.Context) error {
	<-ctx.Done()
	return errors.New("did not leave in time and was killed")
}

// patient is a server that, as labs do, is not removed once the context is over.
type patient struct {
	lab.Node
	removed *bool
}

func (n patient) Close(ctx context.Context) error {
	*n.removed = ctx.Err() == nil
	return ctx.Err()
}

// The server is removed also when the workers took all the time that they had.
func TestStubbornWorkersDoNotKeepTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		removed := false
		s := &stage{node: patient{removed: &removed}, workers: []systems.Worker{stubborn{}, stubborn{}}}
		if err := s.close(); err == nil {
			t.Error("says nothing of the workers")
		}
		if !removed {
			t.Error("the server was left behind")
		}
	})
}

// What else a URL says of the broker stays, and the proxy is in the way also where the port was left out.
func TestProxyIsInTheWayOfEveryURL(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://127.0.0.1:6379/0":               "redis://127.0.0.1:9/0",
		"redis://me:s%2Fecret@localhost/3?db=1":  "redis://me:s%2Fecret@127.0.0.1:9/3?db=1",
		"amqp://guest:guest@127.0.0.1:5672/%2Fv": "amqp://guest:guest@127.0.0.1:9/%2Fv",
		"amqp://guest:guest@[::1]:5672/":         "amqp://guest:guest@127.0.0.1:9/",
		"memory://127.0.0.1:4000":                "memory://127.0.0.1:9",
	} {
		if got, err := through(raw, "127.0.0.1:9"); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", raw, got, err, want)
		}
	}
}
