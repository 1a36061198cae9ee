package memory

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
)

var news = brokers.Exchange{Name: "news", Kind: brokers.Fanout}

func listenTo(t *testing.T, b brokers.Broker, bind brokers.Binding) <-chan brokers.Message {
	t.Helper()
	sub, err := b.(brokers.Exchanger).Subscribe(t.Context(), bind)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func route(t *testing.T, b brokers.Broker, m brokers.Message) {
	t.Helper()
	if err := b.(brokers.Exchanger).Route(t.Context(), news, "", m); err != nil {
		t.Fatal(err)
	}
}

// The engine forgets the queues of who has gone, however it went.
func TestTemporaryQueuesGoWithTheirConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := New()
	server := Serve(l, e)
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	b, err := openRemote(t.Context(), "memory://"+server.Addr(), brokers.Variant{})
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{"a", "a", "b"} {
		listenTo(t, b, brokers.Binding{Exchange: news, Queue: queue})
	}
	if n := bindings(e); n != 2 {
		t.Fatalf("there are %d bindings", n)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); bindings(e) > 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bindings are left", bindings(e))
		}
	}
}

func bindings(e *Engine) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.exchanges[news.Name].bound)
}

// Two may listen to one queue: it ends with the second.
func TestSharedTemporaryQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		first, second := e.Broker(), e.Broker()
		listenTo(t, first, brokers.Binding{Exchange: news, Queue: "q"})
		sub := listenTo(t, second, brokers.Binding{Exchange: news, Queue: "q"})
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		route(t, second, brokers.Message{CorrelationID: "1"})
		if m := <-sub; m.CorrelationID != "1" {
			t.Errorf("got %+v", m)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := bindings(e); n != 0 {
			t.Errorf("%d bindings are left", n)
		}
	})
}

// A reader that does not read costs bounded memory, and keeps what came first.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		b := e.Broker()
		sub := listenTo(t, b, brokers.Binding{Exchange: news, Queue: "q"})
		for range 5 * waiting {
			route(t, b, brokers.Message{})
			synctest.Wait()
		}
		ready, held, err := e.depth("q")
		if ready != waiting || held > unbounded || err != nil {
			t.Errorf("%d messages wait and %d are on their way, %v", ready, held, err)
		}
		<-sub // still alive
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// What waits longer than its binding's TTL is not worth hearing any more.
func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		b := e.Broker()
		bind := brokers.Binding{Exchange: news, Queue: "q", TTL: 5 * time.Second}
		if err := b.(brokers.Exchanger).Bind(t.Context(), bind); err != nil {
			t.Fatal(err)
		}
		route(t, b, brokers.Message{CorrelationID: "old"})
		<-time.After(6 * time.Second) // in the bubble
		route(t, b, brokers.Message{CorrelationID: "new"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := b.Consume(ctx, []string{"q"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if d := <-c.Deliveries(); d.Message().CorrelationID != "new" {
			t.Errorf("got %s", d.Message().CorrelationID)
		}
	})
}

func TestExchangeKeepsItsKind(t *testing.T) {
	b := New().Broker()
	route(t, b, brokers.Message{})
	other := brokers.Exchange{Name: news.Name, Kind: brokers.Direct}
	if err := b.(brokers.Exchanger).Route(t.Context(), other, "", brokers.Message{}); !brokers.Definite(err) {
		t.Errorf("as another kind: %v, want a Definite error", err)
	}
}
