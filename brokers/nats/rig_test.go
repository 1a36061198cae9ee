package nats

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A testServer is a process that can be killed and started again.
type testServer struct {
	*servertest.Server
	url string
}

// plain leaves a configuration as it is.
func plain(text string) string { return text }

// launch starts a server of the variant, with another configuration than it would have, until the test ends.
func launch(t testing.TB, v brokers.Variant, other func(string) string) *testServer {
	t.Helper()
	l := brokers.Launch{Variant: v, Dir: t.TempDir(), Host: "127.0.0.1", Port: servertest.FreePort(t)}
	c, addr := command(l), fmt.Sprintf("%s:%d", l.Host, l.Port)
	binary := servertest.Program(t, Driver.Server.Program)
	if err := os.WriteFile(c.Args[2], []byte(other(c.Files[configFile])), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &testServer{url: Driver.Server.URL(addr)}
	s.Server = servertest.Start(t, s.url, func() *exec.Cmd { return exec.Command(binary, c.Args[1:]...) }, func(ctx context.Context) error {
		return greets(ctx, addr)
	})
	return s
}

// greets is nil once the server says who it is, which it does to everybody.
func greets(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(soon)); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "INFO ") {
		err = fmt.Errorf("it says %q", line)
	}
	return err
}

// kill is SIGKILL, and again a start with the same data.
func (s *testServer) kill(context.Context) (start func(context.Context) error, err error) {
	s.Kill()
	return s.Up, nil
}

func (s *testServer) restart(ctx context.Context) error {
	s.Kill()
	return s.Up(ctx)
}

// soon is how long something that must happen may take.
const soon = 45 * time.Second

func openAt(t testing.TB, url string, v brokers.Variant) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.(*broker)
}

// stranger is a client of the server's own library.
func stranger(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := client.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// hasty makes a queue whose leases are of one second.
func hasty(t testing.TB, url, queue string) {
	t.Helper()
	js, s := stranger(t, url), queueOf(queue)
	if _, err := js.CreateStream(t.Context(), s.config(jetstream.FileStorage)); err != nil {
		t.Fatal(err)
	}
	c := jetstream.ConsumerConfig{Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: -1}
	if _, err := js.CreateConsumer(t.Context(), s.name, c); err != nil {
		t.Fatal(err)
	}
}

func consume(t testing.TB, b brokers.Broker, prefetch int, queues ...string) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), queues, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t testing.TB, c brokers.Consumer) brokers.Delivery {
	t.Helper()
	return servertest.Next(t, c, soon)
}

// ends waits for the consumer to end, and returns why.
func ends(t testing.TB, c brokers.Consumer) error {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case _, open := <-c.Deliveries():
			if !open {
				return c.Err()
			}
		case <-late:
			t.Fatalf("it has not ended within %v", soon)
		}
	}
}

func publish(t testing.TB, b brokers.Broker, ms ...brokers.Message) {
	t.Helper()
	for _, m := range ms {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}
