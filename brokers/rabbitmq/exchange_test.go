package rabbitmq

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

// A declaration is a method that Celery sent.
type declaration struct {
	Method string `json:"m"`
	Args   struct {
		Exchange, Queue, Type                         string
		Key                                           string `json:"routing_key"`
		Passive, Durable, Exclusive, Internal, Nowait bool
		AutoDelete                                    bool `json:"auto_delete"`
		NoLocal                                       bool `json:"no_local"`
		NoAck                                         bool `json:"no_ack"`
		Arguments                                     map[string]int32
	}
}

func declarations(t *testing.T, version string) []declaration {
	t.Helper()
	raw, err := os.ReadFile("testdata/declarations-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Frames []declaration }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Frames
}

// encoded is the method as it is on the wire, with our consumers' tag.
func (d declaration) encoded() string {
	bits := func(flags ...bool) string {
		var b byte
		for i, set := range flags {
			if set {
				b |= 1 << i
			}
		}
		return string([]byte{b})
	}
	var args bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(d.Args.Arguments)) {
		args.WriteString(short(name) + "I")
		_ = binary.Write(&args, binary.BigEndian, d.Args.Arguments[name]) // to memory
	}
	table := string(binary.BigEndian.AppendUint32(nil, uint32(args.Len()))) + args.String()
	a, ticket := d.Args, "\x00\x00"
	switch d.Method {
	case "exchange.declare":
		return string(method(40, 10, ticket, short(a.Exchange), short(a.Type), bits(a.Passive, a.Durable, a.AutoDelete, a.Internal, a.Nowait), table))
	case "queue.declare":
		return string(method(50, 10, ticket, short(a.Queue), bits(a.Passive, a.Durable, a.Exclusive, a.AutoDelete, a.Nowait), table))
	case "queue.bind":
		return string(method(50, 20, ticket, short(a.Queue), short(a.Exchange), short(a.Key), bits(a.Nowait), table))
	}
	return string(method(60, 20, ticket, short(a.Queue), short(consumerTag), bits(a.NoLocal, a.NoAck, a.Exclusive, a.Nowait), table))
}

// reordered puts the two arguments of a queue the other way round: a table has no order.
func reordered(frame string) string {
	at := strings.Index(frame, short("x-expires"))
	if at < 0 {
		return frame
	}
	size := len(short("x-expires")) + 5
	return frame[:at] + frame[at+size:] + frame[at:at+size]
}

// Every exchange, queue and binding is declared byte for byte as Celery declares it.
func TestDeclarationsAreCelerys(t *testing.T) {
	for _, version := range []string{"52", "56"} {
		frames := declarations(t, version)
		exchanges := map[string]declaration{}
		queues := map[string]declaration{}
		binds, consumes := []declaration{}, map[string]declaration{}
		for _, d := range frames {
			switch d.Method {
			case "exchange.declare":
				exchanges[d.Args.Exchange] = d
			case "queue.declare":
				queues[d.Args.Queue] = d
			case "queue.bind":
				binds = append(binds, d)
			default:
				consumes[d.Args.Queue] = d
			}
		}
		if len(binds) < 7 {
			t.Fatalf("%s: the capture has %d bindings", version, len(binds))
		}
		for _, bound := range binds {
			s := newServer(t)
			x := s.open(t).(brokers.Exchanger)
			e, q := exchanges[bound.Args.Exchange], queues[bound.Args.Queue]
			b := brokers.Binding{
				Exchange: brokers.Exchange{Name: e.Args.Exchange, Kind: brokers.ExchangeKind(e.Args.Type), Durable: e.Args.Durable},
				Key:      bound.Args.Key, Queue: bound.Args.Queue,
				TTL:     time.Duration(q.Args.Arguments["x-message-ttl"]) * time.Millisecond,
				Expires: time.Duration(q.Args.Arguments["x-expires"]) * time.Millisecond,
			}
			want := []declaration{e, q, bound}
			if q.Args.Durable {
				if err := x.Bind(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			} else {
				if _, err := x.Subscribe(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				want = append(want, consumes[bound.Args.Queue])
			}
			s.mu.Lock()
			got := slices.Clone(s.asked)
			s.mu.Unlock()
			if len(got) != len(want) {
				t.Fatalf("%s: %+v is declared by %d methods, want %d", version, b, len(got), len(want))
			}
			for i, w := range want {
				if expected := w.encoded(); got[i] != expected && got[i] != reordered(expected) {
					t.Errorf("%s: %s of %s:\ngot  %q\nwant %q", version, w.Method, b.Queue, got[i], expected)
				}
			}
		}
	}
}

// What is routed goes to the exchange by its key, and is confirmed; the declaration is made once.
func TestRoute(t *testing.T) {
	s := newServer(t)
	s.set(func(publishing) string { return "ack" })
	x := s.open(t).(brokers.Exchanger)
	e := brokers.Exchange{Name: "celeryev", Kind: brokers.Topic, Durable: true}
	for range 2 {
		if err := x.Route(t.Context(), e, "worker.online", brokers.Message{Queue: "ignored", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.published()
	if len(got) != 2 || got[0].exchange != "celeryev" || got[0].queue != "worker.online" || len(s.asked) != 1 || len(s.declared) != 0 {
		t.Errorf("published %+v, after %d declarations", got, len(s.asked))
	}
	s.set(func(publishing) string { return "nack" })
	if err := x.Route(t.Context(), e, "k", brokers.Message{}); err == nil || brokers.Definite(err) {
		t.Errorf("refused by the server: %v, want an error that is not Definite", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Route(cancelled, e, "k", brokers.Message{}); !brokers.Definite(err) {
		t.Errorf("with a context that has ended: %v, want a Definite error", err)
	}
}

// An exchange that vanishes closes the channel that publishes to it; publishing tasks goes on undisturbed.
func TestVanishedExchangeHarmsOnlyRouting(t *testing.T) {
	s := newServer(t)
	held := make(chan struct{})
	s.set(func(p publishing) string {
		switch p.exchange {
		case "gone":
			return "close"
		case "":
			<-held
		}
		return "ack"
	})
	b := s.open(t)
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("task")}) }()
	for deadline := time.Now().Add(5 * time.Second); len(s.published()) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the task was not sent")
		}
		select {
		case <-time.After(time.Millisecond):
		case err := <-done:
			t.Fatal(err)
		}
	}
	if err := b.(brokers.Exchanger).Route(t.Context(), brokers.Exchange{Name: "gone", Kind: brokers.Fanout}, "", brokers.Message{}); err == nil {
		t.Error("routing to an exchange that has vanished succeeded")
	}
	close(held)
	if err := <-done; err != nil {
		t.Errorf("the task that was under way: %v", err)
	}
	if err := b.(brokers.Exchanger).Route(t.Context(), brokers.Exchange{Name: "here", Kind: brokers.Fanout}, "", brokers.Message{}); err != nil {
		t.Errorf("routing elsewhere after that: %v", err)
	}
}
