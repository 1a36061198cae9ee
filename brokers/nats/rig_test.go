package nats

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A testServer is an embedded server that can be restarted.
type testServer struct {
	launch brokers.Launch
	url    string
	server brokers.Server
}

// plain leaves a configuration as it is.
func plain(text string) string { return text }

// launch starts a server of the variant, with another configuration than it would have.
func launch(t testing.TB, v brokers.Variant, other func(string) string) *testServer {
	t.Helper()
	s := &testServer{launch: brokers.Launch{Variant: v, Dir: t.TempDir(), Host: "127.0.0.1", Port: servertest.FreePort(t)}}
	s.start(t, other(config(s.launch)))
	return s
}

// start brings the server up, until the test ends.
func (s *testServer) start(t testing.TB, text string) {
	t.Helper()
	s.url = Driver.Server.URL(fmt.Sprintf("127.0.0.1:%d", s.launch.Port))
	var err error
	if s.server, err = startWith(t.Context(), s.launch, text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// kill is SIGKILL, and again a start with the same data.
func (s *testServer) kill(context.Context) (start func(context.Context) error, err error) {
	return s.again, s.server.Close()
}

func (s *testServer) again(ctx context.Context) error {
	again, err := embed(ctx, s.launch)
	if again != nil {
		s.server = again
	}
	return err
}

func (s *testServer) restart(ctx context.Context) error {
	start, err := s.kill(ctx)
	return errors.Join(err, start(ctx))
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
