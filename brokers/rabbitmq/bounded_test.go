package rabbitmq

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A queue that is bounded keeps what the server's own policy says of it: what comes back too often must not be dropped because
// publishes are refused.
func TestBoundedQueuesKeepTheirPolicy(t *testing.T) {
	servertest.Needed(t)
	v, err := Driver.Variant("quorum")
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	s := servertest.LaunchAs(t, Driver, v, func(c *brokers.Command, _ string) { env = c.Env })
	console := brokers.Console{URL: s.URL, Run: func(ctx context.Context, args ...string) (string, error) {
		if debian := "/usr/lib/rabbitmq/bin/" + args[0]; exists(debian) { // that on PATH would change to another user
			args[0] = debian
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		return string(out), err
	}}
	b, err := Driver.Open(t.Context(), s.URL, v)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	rules := func() (of string) {
		t.Helper()
		var queues []struct{ Name, Policy string }
		if err := ctl(t.Context(), console, &queues, "list_queues", "name", "policy"); err != nil {
			t.Fatal(err)
		}
		all, err := policies(t.Context(), console)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range queues {
			for _, r := range all {
				if q.Name != "q" || q.Policy != r.Name {
					continue
				}
				for _, key := range []string{"max-length", "overflow", "delivery-limit", "dead-letter-exchange"} {
					if _, has := r.says[key]; has {
						of += key + " "
					}
				}
			}
		}
		return strings.TrimSpace(of)
	}
	limit, _ := Driver.Server.Limit(brokers.LimitLength)
	_, restore, err := limit.Reach(t.Context(), console, "3")
	if err != nil {
		t.Fatal(err)
	}
	const own = "delivery-limit dead-letter-exchange"
	if got := rules(); got != "max-length overflow "+own {
		t.Errorf("bounded, the queue has %s", got)
	}
	if err := restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rules(); got != own {
		t.Errorf("given back, the queue has %s", got)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
