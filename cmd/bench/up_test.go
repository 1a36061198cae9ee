package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/nats"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab/engine/enginetest"
)

// A server that is brought up answers at the URL that is printed until the command that is printed beside it: that stops it,
// and none that was brought up with another state directory.
func TestUpUntilDown(t *testing.T) {
	for lab, broker := range map[string]string{"process": "redis:memory", "docker": "redis:memory", "embedded": "nats:memory"} {
		t.Run(lab, func(t *testing.T) {
			switch lab {
			case "docker":
				servertest.Needed(t)
				enginetest.Needed(t)
			case "process":
				servertest.Needed(t)
				servertest.Find(t, "redis-server")
			case "embedded":
				servertest.Program(t, nats.Driver.Server.Program)
			}
			t.Parallel() // they wait for servers to start
			mine, other := newSite(t), newSite(t)
			url, stop := mine.up(t, lab, broker)
			beside, stopBeside := other.up(t, lab, broker)
			for _, at := range []string{url, beside} {
				if err := roundTrip(t.Context(), at); err != nil {
					t.Errorf("the server that is up: %v", err)
				}
			}
			mine.carryOut(t, stop)
			if err := roundTrip(t.Context(), url); err == nil {
				t.Errorf("after %q the server answers still", stop)
			}
			if pids, names := mine.workers(t), mine.containers(t); len(pids)+len(names) > 0 {
				t.Errorf("after %q there are the processes %v and the containers %v", stop, pids, names)
			}
			if err := roundTrip(t.Context(), beside); err != nil {
				t.Errorf("after %q the server of another state directory: %v", stop, err)
			}
			other.carryOut(t, stopBeside)
			if err := roundTrip(t.Context(), beside); err == nil {
				t.Errorf("after %q the server answers still", stopBeside)
			}
		})
	}
}

var stops = regexp.MustCompile("`bench ([^`]*)` stops it")

// up brings a broker up, and returns the URL and the arguments of the command that stops it, both as printed. Whatever comes
// of the test, the server is stopped with it.
func (s *site) up(t *testing.T, lab, broker string) (url string, stop []string) {
	t.Helper()
	t.Cleanup(func() { s.start(t, "down").code(t, patience) })
	p := s.start(t, "up", broker, "--lab", lab)
	if code := p.code(t, patience); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, p.talk())
	}
	found := stops.FindStringSubmatch(p.talk())
	if found == nil {
		t.Fatalf("it does not say how to stop it:\n%s", p.talk())
	}
	return strings.TrimSpace(p.stdout.String()), strings.Fields(found[1])
}

// carryOut runs a command that was printed.
func (s *site) carryOut(t *testing.T, args []string) {
	t.Helper()
	p := s.start(t, args...)
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("bench %s: exit code %d\n%s%s", strings.Join(args, " "), code, p.stdout.String(), p.talk())
	}
}

// A server in this process would end with the command.
func TestUpOfWhatIsInThisProcess(t *testing.T) {
	code, stdout, stderr := command(t, nil, "up", "memory", "--lab", "embedded")
	if code != exitEnvironment || stdout != "" || !strings.Contains(stderr, "end with it") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// roundTrip publishes a message to Redis or NATS at the URL, and takes it back.
func roundTrip(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	scheme, _, _ := strings.Cut(url, ":")
	d, v, err := all.Find(scheme + ":memory")
	if err != nil {
		return err
	}
	b, err := d.Open(ctx, url, v)
	if err != nil {
		return err
	}
	defer b.Close()
	const queue, body = "up", "here"
	if err := b.Publish(ctx, brokers.Message{Queue: queue, Body: []byte(body), ContentType: "text/plain", ContentEncoding: "utf-8", CorrelationID: "1"}); err != nil {
		return err
	}
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return err
	}
	got, ok := <-c.Deliveries()
	if !ok || string(got.Message().Body) != body {
		return fmt.Errorf("%q was sent and did not come (%w)", body, c.Err())
	}
	return got.Ack(ctx)
}
