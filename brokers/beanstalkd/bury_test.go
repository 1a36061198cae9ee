package beanstalkd_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	beanstalk "github.com/beanstalkd/go-beanstalk"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

func TestDeadLettersKeepTheirJob(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "?ttr=7s")
	publish(t, b, brokers.Message{Queue: "q", Priority: 4, Body: []byte("text")})
	_, before, err := beanstalk.NewTube(c, "q").PeekReady()
	if err != nil {
		t.Fatal(err)
	}
	if err := next(t, consume(t, b, "q", 1)).Nack(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	id, after, err := beanstalk.NewTube(c, "q.dead").PeekReady()
	if err != nil || string(after) != string(before) {
		t.Fatalf("kept as %s, published as %s (%v)", after, before, err)
	}
	if s, err := c.StatsJob(id); err != nil || s["pri"] != "4" || s["ttr"] != "7" {
		t.Errorf("%v, %v", s, err)
	}
	if s := stats(t, c); s["current-jobs-ready"] != "1" || s["current-jobs-reserved"] != "0" {
		t.Errorf("besides it there is something left: %v", s)
	}
}

// Where the tube of dead letters cannot take a message, it is buried in its own tube, from where it can be kicked.
func TestWhatCannotBeKeptAsideIsBuried(t *testing.T) {
	servertest.Needed(t)
	for name, queue := range map[string]string{"name too long": strings.Repeat("q", 198), "draining": "q"} {
		t.Run(name, func(t *testing.T) {
			b, c, _ := launch(t, "")
			publish(t, b, brokers.Message{Queue: queue, Body: []byte("text")})
			consumer := consume(t, b, queue, 1)
			d := next(t, consumer)
			if name == "draining" {
				drain(t, b, c)
			}
			if err := d.Nack(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if s := stats(t, c); s["current-jobs-buried"] != "1" || s["current-jobs-reserved"] != "0" {
				t.Fatalf("it is not buried: %v", s)
			}
			if n, err := beanstalk.NewTube(c, queue).Kick(10); n != 1 || err != nil {
				t.Fatalf("%d jobs were kicked, %v", n, err)
			}
			if again := next(t, consumer); string(again.Message().Body) != "text" || !again.Redelivered() {
				t.Errorf("it came back as %+v", again.Message())
			}
		})
	}
}

// drain has the server take no more messages, and waits until that is so.
func drain(t *testing.T, b brokers.Broker, c *beanstalk.Conn) {
	t.Helper()
	pid, err := strconv.Atoi(stats(t, c)["pid"])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server drains", func() bool { return stats(t, c)["draining"] == "true" })
	err = b.Publish(t.Context(), brokers.Message{Queue: "other"})
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "SIGUSR1") {
		t.Errorf("publish to a server that drains: %v", err)
	}
}
