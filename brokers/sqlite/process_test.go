package sqlite

import (
	"context"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
)

const soon = 20 * time.Second

func receive(t *testing.T, c brokers.Consumer) brokers.Delivery {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			t.Fatalf("deliveries are closed: %v", c.Err())
		}
		return d
	case <-time.After(soon):
		t.Fatalf("no delivery within %v", soon)
	}
	return nil
}

func consume(t *testing.T, b brokers.Broker, queue string, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{queue}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func depth(t *testing.T, b *broker, queue string) (ready, unacked int) {
	t.Helper()
	ready, unacked, err := b.Depth(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	return ready, unacked
}

// A publisher in another process is killed in the middle of its work: what it was told is stored, is.
func TestConfirmedMessagesOutliveTheirPublisher(t *testing.T) {
	t.Parallel()
	for _, v := range leases() {
		t.Run(v.Name, func(t *testing.T) {
			url := Driver.Server.URL(t.TempDir())
			b := openAt(t, url, v)
			p, err := start(t.Context(), "publish", url, "q", "1000000")
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for len(told) < 300 && p.out.Scan() {
				told = append(told, p.out.Text())
			}
			if err := p.kill(); err != nil {
				t.Fatal(err)
			}
			if len(told) < 300 {
				t.Fatalf("the child published %d messages and ended: %v", len(told), p.out.Err())
			}
			ready, _ := depth(t, b, "q")
			arrived := make(map[string]int)
			c := consume(t, b, "q", 64)
			for range ready {
				d := receive(t, c)
				arrived[d.Message().CorrelationID]++
				if err := d.Ack(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range told {
				if arrived[id] != 1 {
					t.Errorf("message %s was confirmed and arrived %d times", id, arrived[id])
				}
			}
			if ready, unacked := depth(t, b, "q"); ready != 0 || unacked != 0 {
				t.Errorf("after %d acks the queue holds %d and %d", len(arrived), ready, unacked)
			}
		})
	}
}

// Two processes consume while a third publishes; nothing is lost, nothing comes twice.
func TestProcessesShareAQueue(t *testing.T) {
	t.Parallel()
	url := Driver.Server.URL(t.TempDir())
	a, b := openAt(t, url, variants[0]), openAt(t, url, variants[0])
	ca, cb := consume(t, a, "q", 8), consume(t, b, "q", 8)
	const n = 400
	p, err := start(t.Context(), "publish", url, "q", "400")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan int)
	go func() {
		lines := 0
		for p.out.Scan() {
			lines++
		}
		told <- lines
	}()
	var ids []string
	for len(ids) < n {
		var d brokers.Delivery
		select {
		case d = <-ca.Deliveries():
		case d = <-cb.Deliveries():
		case <-time.After(soon):
			t.Fatalf("after %d of %d messages no more within %v", len(ids), n, soon)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.Message().CorrelationID)
	}
	if lines := <-told; lines != n {
		t.Errorf("the child was told of %d messages, want %d", lines, n)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
	slices.Sort(ids)
	if distinct := len(slices.Compact(ids)); distinct != n {
		t.Errorf("%d different messages in %d deliveries", distinct, n)
	}
}

// A process that stood still for longer than its lease finds that others have its messages.
func TestLapsedConsumerEndsAndCannotAck(t *testing.T) {
	t.Parallel()
	url := Driver.Server.URL(t.TempDir())
	still, other := openAt(t, url, variants[0]), openAt(t, url, variants[0])
	if err := other.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	c := consume(t, still, "q", 1)
	late := receive(t, c)
	// As if it had been stopped five seconds ago: its row says so.
	if _, err := other.db.Exec(`UPDATE consumer SET lease = ?`, time.Now().UnixMilli()-1); err != nil {
		t.Fatal(err)
	}
	again := receive(t, consume(t, other, "q", 1))
	if !again.Redelivered() || string(again.Message().Body) != "x" {
		t.Errorf("delivered to another: %+v, redelivered %v", again.Message(), again.Redelivered())
	}
	if err := late.Ack(t.Context()); !brokers.Definite(err) {
		t.Errorf("ack after the lease ran out: %v, want a Definite error", err)
	}
	if _, unacked := depth(t, other, "q"); unacked != 1 {
		t.Errorf("after the late ack %d are held, want the other's one", unacked)
	}
	select {
	case _, open := <-c.Deliveries():
		if open || c.Err() == nil {
			t.Errorf("the lapsed consumer goes on: open %v, Err %v", open, c.Err())
		}
	case <-time.After(soon):
		t.Error("the lapsed consumer has not noticed")
	}
	if err := again.Nack(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// It may start anew on the same broker.
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := still.Consume(ctx, []string{"q"}, 1); err != nil {
		t.Errorf("consume again after the lease ran out: %v", err)
	}
}

func TestExpiredMessagesAreNeitherDeliveredNorKept(t *testing.T) {
	t.Parallel()
	b := openAt(t, Driver.Server.URL(t.TempDir()), variants[0])
	for _, m := range []brokers.Message{
		{Queue: "q", Body: []byte("stale"), Expiration: time.Millisecond},
		{Queue: "q", Body: []byte("fresh"), Expiration: time.Hour},
	} {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(5 * time.Millisecond)
	if d := receive(t, consume(t, b, "q", 2)); string(d.Message().Body) != "fresh" {
		t.Errorf("delivered %q", d.Message().Body)
	}
	for deadline := time.After(soon); ; {
		if ready, _ := depth(t, b, "q"); ready == 0 {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatal("the expired message is still there")
		}
	}
}
