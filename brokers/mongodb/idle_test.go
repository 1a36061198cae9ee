package mongodb

import (
	"context"
	"encoding/binary"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

// A fleet of idle workers is what most servers have to bear most of the time. Counted is what goes over the wire.
func testIdleCostsLittle(t *testing.T, at string) {
	for _, variant := range []string{"lease", "kombu"} {
		t.Run(variant, func(t *testing.T) {
			asked := &counter{}
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			server := u.Host
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			u.Host = listener.Addr().String()
			relay := brokertest.NewRelay(listener, func(ctx context.Context) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", server)
				return &counted{Conn: c, by: asked}, err
			})
			t.Cleanup(func() { _ = relay.Close() })
			c := consume(t, connect(t, u.String(), variant), 4)
			servertest.Quiet(t, c, idleAfter+500*time.Millisecond) // until it counts as idle
			const length = 4 * time.Second
			before := asked.read()
			servertest.Quiet(t, c, length)
			if n := asked.read() - before; n >= 10*int(length.Seconds()) || n == 0 {
				t.Errorf("%d commands in %v of idleness, want fewer than ten a second", n, length)
			}
		})
	}
}

// A counter counts messages of MongoDB's protocol, each of which begins with its length.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

type counted struct {
	net.Conn
	by   *counter
	head []byte
	left int
}

func (c *counted) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if c.left == 0 {
			take := min(4-len(c.head), len(rest))
			c.head, rest = append(c.head, rest[:take]...), rest[take:]
			if len(c.head) == 4 {
				c.left = int(binary.LittleEndian.Uint32(c.head)) - 4
				c.head = c.head[:0]
				c.by.mu.Lock()
				c.by.n++
				c.by.mu.Unlock()
			}
			continue
		}
		take := min(c.left, len(rest))
		c.left, rest = c.left-take, rest[take:]
	}
	return c.Conn.Write(p)
}

// Who publishes in another process wakes nobody here.
func testOthersAreSeen(t *testing.T, at string) {
	for _, variant := range []string{"lease", "kombu"} {
		t.Run(variant, func(t *testing.T) {
			b := connect(t, at, variant)
			c := consume(t, b, 4)
			servertest.Quiet(t, c, idleAfter+500*time.Millisecond)
			l := layoutOf(b)
			d, err := l.pack(letter(3))
			if err != nil {
				t.Fatal(err)
			}
			d.ID = bson.NewObjectID()
			if _, err := l.ready().InsertOne(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if got := servertest.Next(t, c, 5*time.Second); got.Message().CorrelationID != "3" || got.Ack(t.Context()) != nil {
				t.Errorf("%s came", got.Message().CorrelationID)
			}
		})
	}
}

// A broker's publishers wake its own consumers, and those of its neighbours.
func testNeighbours(t *testing.T, at string) {
	b, other := connect(t, at, "lease"), connect(t, at, "lease")
	s := newSubscription(b.(*leaser).broker, []string{"q"}, 1)
	neighbours.join(s.b.link.place(), s)
	if err := other.Publish(t.Context(), brokers.Message{Queue: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if len(s.knock) != 0 {
		t.Error("it was woken for another queue")
	}
	publish(t, other, 1)
	if len(s.knock) != 1 {
		t.Error("it was not woken")
	}
	neighbours.leave(s.b.link.place(), s)
	neighbours.mu.Lock()
	defer neighbours.mu.Unlock()
	if len(neighbours.subs[s.b.link.place()+"q"]) != 0 {
		t.Error("it has left, and is still known")
	}
}
