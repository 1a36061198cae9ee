package step_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/lab/proxy/step"
)

const patience = 30 * time.Second

// On a real server of every broker whose wire is understood, the proxy counts each message once at each step, and a cut
// at a step has the consequences that the step's description promises. Brokers are in the lab that BENCH_LAB names, auto
// when it names none; with -short it is the embedded one alone.
func TestRealServers(t *testing.T) {
	for _, name := range []string{"rabbitmq:quorum", "redis:aof-always", "redis:stream", "postgres:lease", "beanstalkd:binlog", "mongodb:lease", "memory"} {
		d, v, err := all.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if (testing.Short() || os.Getenv("BENCH_LAB") == labs.Embedded) && d.Server.Embedded == nil {
				t.Skip("the embedded lab has no server for it")
			}
			node := start(t, d, v)
			t.Run("counts", func(t *testing.T) { // each has a proxy and a queue of its own
				t.Parallel()
				counts(t, newSite(t, d, v, node, "counts"))
			})
			for _, i := range step.All() {
				if i.Step == step.Result {
					continue
				}
				t.Run(string(i.Step), func(t *testing.T) {
					t.Parallel()
					cut(t, newSite(t, d, v, node, "cut-"+string(i.Step)), i.Step)
				})
			}
		})
	}
}

func start(t *testing.T, d brokers.Driver, v brokers.Variant) lab.Node {
	where := os.Getenv("BENCH_LAB")
	if where == "" || d.Server.Command == nil {
		where = labs.Auto
	}
	l, _, err := labs.Pick(t.Context(), where, d, d.Variants[0], labs.Options{})
	if err != nil {
		switch where {
		case labs.Auto:
			t.Skipf("this machine has no server for %s: %v", d.Name, err)
		case labs.Process:
			labtest.Unpackaged(t, d.Name, err)
		}
		t.Fatal(err)
	}
	node, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: v, Name: "steps", LogPath: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := node.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return node
}

// A site is a queue of a server, and a broker that reaches it by way of a proxy that reads along.
type site struct {
	driver  brokers.Driver
	variant brokers.Variant
	url     string // past the proxy
	proxy   *proxy.Proxy
	broker  brokers.Broker
	queue   string
}

func newSite(t *testing.T, d brokers.Driver, v brokers.Variant, node lab.Node, queue string) *site {
	t.Helper()
	p, err := proxy.Listen(t.Context(), node.Info().Addr)
	if err != nil {
		t.Fatal(err)
	}
	p.Watch(func() step.Parser { return step.For(d.Wire(v)) })
	u, err := url.Parse(node.Info().URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr()
	s := &site{driver: d, variant: v, url: node.Info().URL, proxy: p, queue: queue}
	s.broker = s.open(t, u.String())
	t.Cleanup(func() { _ = p.Close() })
	return s
}

func (s *site) open(t *testing.T, url string) brokers.Broker {
	t.Helper()
	b, err := s.driver.Open(t.Context(), url, s.variant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func (s *site) arm(t *testing.T, at step.Step) *proxy.Trap {
	t.Helper()
	trap, err := s.proxy.Arm(at, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trap.Release)
	return trap
}

func (s *site) publish(ctx context.Context, id string) error {
	return s.broker.Publish(ctx, brokers.Message{Queue: s.queue, CorrelationID: id, Body: []byte(id)})
}

func consume(t *testing.T, b brokers.Broker, queue string) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{queue}, 10)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// receive returns nil where nothing comes in time, or the consumer has ended.
func receive(c brokers.Consumer, within time.Duration) brokers.Delivery {
	select {
	case d := <-c.Deliveries():
		return d
	case <-time.After(within):
		return nil
	}
}

// counts has so many messages published by several at once, and acknowledged by others.
func counts(t *testing.T, s *site) {
	const messages = 60
	first := s.arm(t, step.Result)
	if err := s.publish(t.Context(), "first"); err != nil { // the server is taught what it must know
		t.Fatal(err)
	}
	c := consume(t, s.broker, s.queue)
	if d := receive(c, patience); d == nil || d.Ack(t.Context()) != nil {
		t.Fatalf("the first message: %v, %v", d, c.Err())
	}
	acked(first, 1)
	never := s.arm(t, step.Result)
	errs := make(chan error, 2*messages)
	for i := range messages {
		go func() { errs <- s.publish(t.Context(), fmt.Sprint(i)) }()
	}
	for range messages {
		d := receive(c, patience)
		if d == nil {
			t.Fatalf("no message: %v", c.Err())
		}
		go func() { errs <- d.Ack(t.Context()) }()
	}
	for range 2 * messages {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if why := s.proxy.Strange(); why != "" {
		t.Error(why)
	}
	acked(never, messages)
	steps := never.Steps()
	for _, i := range step.All() {
		want := int64(messages)
		if i.Step == step.Result {
			want = 0
		}
		if steps[i.Step] != want {
			t.Errorf("%d messages came to step %s, not %d: %v", steps[i.Step], i.Step, want, steps)
		}
	}
}

// acked waits until so many acknowledgements have come by: one without an answer may still be on its way.
func acked(trap *proxy.Trap, n int64) {
	for end := time.Now().Add(patience); trap.Steps()[step.Acked] < n && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

// spring cuts the site off once a connection stands at the step.
func (s *site) spring(t *testing.T, trap *proxy.Trap, meanwhile func()) {
	t.Helper()
	select {
	case <-trap.Sprung():
	case <-time.After(patience):
		t.Fatalf("nobody came to the step: %v %s", trap.Steps(), s.proxy.Strange())
	}
	meanwhile()
	if _, err := s.proxy.Disconnect(); err != nil {
		t.Fatal(err)
	}
	trap.Release()
	t.Logf("%s; until then %v", trap.Hit(), trap.Hit().Steps)
}

// cut publishes one message and, but for the steps of publishing, has it consumed, and says what must be left of it.
func cut(t *testing.T, s *site, at step.Step) {
	direct := s.open(t, s.url)
	declare(t, direct, s.queue)
	message := brokers.Message{Queue: s.queue, CorrelationID: "id", Body: []byte("message")}
	trap := s.arm(t, at)
	switch at {
	case step.Publish, step.Confirm:
		outcome := make(chan error, 1)
		go func() { outcome <- s.broker.Publish(t.Context(), message) }()
		s.spring(t, trap, func() {})
		if err := <-outcome; err == nil || brokers.Definite(err) {
			t.Errorf("publish gave %v: nobody can know", err)
		}
		s.left(t, direct, at == step.Confirm)
	default:
		first := consume(t, s.broker, s.queue)
		if err := direct.Publish(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		seen := make(chan bool, 1)
		go func() {
			d := receive(first, patience)
			if d != nil && at != step.Deliver {
				_ = d.Ack(t.Context()) // what it is worth, the server will tell
			}
			seen <- d != nil
		}()
		// A client of beanstalkd asks for more of a message on the same connection before it hands it out.
		told := at != step.Claim && (at != step.Deliver || s.driver.Name != "beanstalkd")
		s.spring(t, trap, func() {
			if at == step.Deliver && told && !<-seen {
				t.Error("the consumer was not handed what was passed on to it")
			}
		})
		if at != step.Deliver && <-seen != told {
			t.Errorf("whether the consumer was handed the message: not %v", told)
		}
		if at == step.Acked && s.driver.Name == "rabbitmq" {
			return // an ack without an answer: whether the server had read it before the cut, nobody can know
		}
		s.left(t, direct, at != step.Acked)
	}
}

// declare has the queue be there.
func declare(t *testing.T, b brokers.Broker, queue string) {
	t.Helper()
	if err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	if n, err := b.(brokers.Purger).Purge(t.Context(), queue); err != nil || n != 1 {
		t.Fatalf("purged %d messages, %v", n, err)
	}
}

// left finds out whether the server still has the message, for whoever comes.
func (s *site) left(t *testing.T, b brokers.Broker, want bool) {
	t.Helper()
	if want {
		if d := receive(consume(t, b, s.queue), patience); d == nil || string(d.Message().Body) != "message" {
			t.Errorf("there is no message: %v", d)
		}
		return
	}
	ready, unacked, err := b.(brokers.Inspector).Depth(t.Context(), s.queue)
	if err != nil || ready != 0 || unacked > 0 {
		t.Errorf("the server still has the message: %d ready, %d unacked, %v", ready, unacked, err)
	}
}
