package beanstalkd

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

func TestLuck(t *testing.T) {
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:     func(addr string) string { return "beanstalk://" + addr },
		Foreign: "is it beanstalkd",
		Forgets: true, // as doc.go says: about every second on a machine that does nothing else
		Start: func(t *testing.T, s *lucktest.Subject) {
			s.Server = servertest.LaunchAs(t, Driver, s.Variant, func(*brokers.Command, string) {}).URL
			s.Apart = func(ahead time.Duration) string {
				return servertest.LaunchAs(t, Driver, s.Variant, func(c *brokers.Command, _ string) {
					c.Env = append(c.Env, servertest.Apart(t, ahead)...)
				}).URL
			}
			s.Refusals = map[string]lucktest.Refusal{
				"connections": {Advice: "does it take more connections", Meet: func(ctx context.Context) error { return crowd(ctx, t, s.Variant) }},
				"disk": {Advice: "free space on its disk", Meet: func(ctx context.Context) error {
					return newFake(t, toPut("OUT_OF_MEMORY")).open(t).Publish(ctx, brokers.Message{Queue: "q"})
				}},
			}
		},
		Elsewhere: map[string]string{
			"certificates": "beanstalkd does not encrypt", "password": "beanstalkd knows no users", "rights": "beanstalkd knows no users",
			"replica": "beanstalkd has no replicas", "shape": "TestJobsOfOthersArrive: nothing is refused",
		},
	})
}

// crowd is what happens at a server that has no room for one connection more: it lets it wait.
func crowd(ctx context.Context, t *testing.T, v brokers.Variant) error {
	const files = 16
	s := servertest.LaunchAs(t, Driver, v, func(c *brokers.Command, _ string) {
		c.Args = append([]string{"sh", "-c", `ulimit -n 16; exec "$@"`, "few"}, c.Args...)
	})
	for range files {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "beanstalk://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	b, err := Driver.Open(ctx, s.URL, v)
	if err == nil {
		_ = b.Close()
	}
	return err
}
