package memory

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
)

func TestDelayedMessagesComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		defer e.Close()
		b := e.Broker()
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := b.Consume(ctx, []string{"q"}, 10)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, after := range []time.Duration{time.Minute, time.Second, -time.Second, 48 * time.Hour, time.Second} {
			m := brokers.Message{Queue: "q", Body: []byte(after.String())}
			if err := b.(brokers.Delayer).Delay(t.Context(), m, start.Add(after)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []time.Duration{-time.Second, time.Second, time.Second, time.Minute, 48 * time.Hour} {
			d := <-c.Deliveries()
			if got := string(d.Message().Body); got != want.String() {
				t.Errorf("%s came, want %v", got, want)
			}
			if late := time.Since(start); late != max(want, 0) {
				t.Errorf("what is due after %v came after %v", want, late)
			}
			if d.Redelivered() {
				t.Error("it counts as redelivered")
			}
			if err := d.Ack(ctx); err != nil {
				t.Error(err)
			}
		}
		if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q"}, start.Add(72*time.Hour)); err != nil {
			t.Error(err) // the engine ends with one waiting
		}
	})
}

func TestDelayOverALink(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := New()
	s := Serve(l, e)
	defer s.Close()
	b, err := Driver.Open(t.Context(), Driver.Server.URL(s.Addr()), Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Consume(t.Context(), []string{"q"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	due := time.Now().Add(200 * time.Millisecond)
	if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q", Body: []byte("x"), Priority: 3}, due); err != nil {
		t.Fatal(err)
	}
	d := <-c.Deliveries()
	if time.Now().Before(due) || string(d.Message().Body) != "x" || d.Message().Priority != 3 {
		t.Errorf("%+v came %v before it was due", d.Message(), time.Until(due))
	}
}
