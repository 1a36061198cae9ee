package mongodb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/feed"
	"taskbench/brokers/servertest"
)

// serve starts FerretDB, which this repository builds, in place of MongoDB.
func serve(t *testing.T) *servertest.Server {
	t.Helper()
	binary, dir := servertest.FerretDB(t), t.TempDir()
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	at := Driver.Server.URL(addr)
	return servertest.Start(t, at, func() *exec.Cmd { return exec.Command(binary, addr, dir) }, func(ctx context.Context) error {
		_, err := Driver.Server.Ready(ctx, at)
		return err
	})
}

// connect opens a broker of the default variant, or of another, on a database of the test's own.
func connect(t *testing.T, at string, variant string) brokers.Broker {
	t.Helper()
	v, err := Driver.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())
	b, err := Driver.Open(t.Context(), at+name, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func layoutOf(b brokers.Broker) layout {
	if l, ok := b.(*leaser); ok {
		return l.layout
	}
	return b.(*broker).layout
}

func leasesOf(b brokers.Broker) *leasing { return layoutOf(b).(*leasing) }

func letter(n int) brokers.Message {
	return brokers.Message{Queue: "q", CorrelationID: fmt.Sprint(n), Body: []byte("x")}
}

func publish(t *testing.T, b brokers.Broker, n int) {
	t.Helper()
	ms := make([]brokers.Message, n)
	for i := range ms {
		ms[i] = letter(i)
	}
	if err := errors.Join(b.(brokers.Batcher).PublishBatch(t.Context(), ms)...); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, b brokers.Broker, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{"q"}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, c brokers.Consumer, within time.Duration) brokers.Delivery {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			t.Fatalf("the consumer has ended: %v", c.Err())
		}
		return d
	case <-time.After(within):
		t.Fatalf("nothing came within %v", within)
	}
	return nil
}

func quiet(t *testing.T, c brokers.Consumer, within time.Duration) {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if open {
			t.Fatalf("message %s came", d.Message().CorrelationID)
		}
		t.Fatalf("the consumer has ended: %v", c.Err())
	case <-time.After(within):
	}
}

func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	at := serve(t).URL
	for name, test := range map[string]func(t *testing.T, at string){
		"names itself": testNamesItself, "claims are exclusive": testClaimsAreExclusive, "dead consumer": testDeadConsumer,
		"lease is renewed": testLeaseIsRenewed, "search finds the unowned": testSearch, "claim cut short": testClaimCutShort,
		"idle costs little": testIdleCostsLittle, "messages of others are seen": testOthersAreSeen,
		"neighbours are woken": testNeighbours, "bindings of kombu": testKombusBindings, "too large": testTooLarge,
		"late reject": testLateReject, "late removal": testLateRemoval, "one heir": testOneHeir,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at)
		})
	}
}

func testNamesItself(t *testing.T, at string) {
	version, err := Driver.Server.Ready(t.Context(), at)
	if err != nil || !strings.HasPrefix(version, "FerretDB 1.") {
		t.Errorf("version %q, %v", version, err)
	}
}

// Many claim and settle at once, from lists that are old by the time of the claim.
func testClaimsAreExclusive(t *testing.T, at string) {
	const n, claimers = 200, 4
	b := connect(t, at, "lease-w1")
	publish(t, b, n)
	var mu sync.Mutex
	times := map[string]int{}
	var done sync.WaitGroup
	for range claimers {
		s := newSubscription(b.(*leaser).broker, []string{"q"}, 0)
		k, err := b.(*leaser).layout.join(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			for {
				got, passed, err := k.claim(t.Context(), s.queues, 7, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got)+len(passed) == 0 {
					return
				}
				var all []settlement
				mu.Lock()
				for _, d := range got {
					times[k.unpack(d).Message.CorrelationID]++
					all = append(all, settlement{sub: s, doc: d, outcome: feed.Ack})
				}
				mu.Unlock()
				if err := errors.Join(b.(*leaser).layout.settle(all)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	for id, n := range times {
		if n != 1 {
			t.Errorf("message %s was claimed %d times", id, n)
		}
	}
	if len(times) != n {
		t.Errorf("%d of %d messages were claimed", len(times), n)
	}
}

// What a consumer holds whose link has died silently comes back, and it learns that it has nothing to say any more.
func testDeadConsumer(t *testing.T, at string) {
	subject, relay, err := brokertest.Through(brokertest.Subject{Driver: Driver, Variant: Driver.Variants[0], URL: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	mine := connect(t, subject.URL, "lease")
	publish(t, mine, 1)
	c := consume(t, mine, 1)
	first := next(t, c, 10*time.Second)
	restore, err := subject.Silence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	began := time.Now()
	again := next(t, consume(t, connect(t, at, "lease"), 1), 30*time.Second)
	if took := time.Since(began); took < lease-2*tendEvery || !again.Redelivered() || again.Message().CorrelationID != "0" {
		t.Errorf("after %v came %+v, redelivered %v", took, again.Message(), again.Redelivered())
	}
	restore()
	if err := first.Ack(t.Context()); err == nil {
		t.Error("the dead consumer acknowledged what another holds")
	}
	if err := again.Ack(t.Context()); err != nil {
		t.Errorf("and its holder could not: %v", err)
	}
}

// A task may take longer than a lease.
func testLeaseIsRenewed(t *testing.T, at string) {
	if testing.Short() {
		t.Skip("it takes longer than a lease")
	}
	mine, other := connect(t, at, "lease"), connect(t, at, "lease")
	publish(t, mine, 1)
	d := next(t, consume(t, mine, 1), 10*time.Second)
	quiet(t, consume(t, other, 1), lease+3*tendEvery)
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// A process that stood still over its claim may hold what nobody looks for by name.
func testSearch(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	d, err := l.pack(letter(7))
	if err != nil {
		t.Fatal(err)
	}
	d.ID, d.Owner = bson.NewObjectID(), "nobody"
	if _, err := l.held.InsertOne(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	l.sweep(time.Now(), true)
	got := next(t, consume(t, b, 1), 10*time.Second)
	if got.Message().CorrelationID != "7" || !got.Redelivered() {
		t.Errorf("%+v came, redelivered %v", got.Message(), got.Redelivered())
	}
	if err := got.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// Between the two halves of a claim a message is in both collections.
func testClaimCutShort(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	publish(t, b, 2)
	found, err := urgentFirst(t.Context(), l.waiting, []string{"q"}, 1, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d documents, %v", len(found), err)
	}
	found[0].Owner = "gone"
	if err := insert(t.Context(), l.held, found); err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, 1)
	if d := next(t, c, 10*time.Second); d.Message().CorrelationID != "1" || d.Ack(t.Context()) != nil {
		t.Errorf("%s came, and its claim is in the way of the next", d.Message().CorrelationID)
	}
	l.sweep(time.Now(), true)
	if d := next(t, c, 10*time.Second); d.Message().CorrelationID != "0" || d.Ack(t.Context()) != nil {
		t.Errorf("%s came", d.Message().CorrelationID)
	}
	quiet(t, c, 2*idleLook)
}

// What a dead consumer asked for last may be carried out after what it held was given back: its claim's removal.
func testLateRemoval(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	publish(t, b, 2)
	found, err := urgentFirst(t.Context(), l.waiting, []string{"q"}, 1, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d documents, %v", len(found), err)
	}
	late := found[0].ID
	found[0].Owner = "gone"
	if err := insert(t.Context(), l.held, found); err != nil {
		t.Fatal(err)
	}
	l.sweep(time.Now(), true)
	if _, err := l.waiting.DeleteMany(t.Context(), oneOf("_id", []bson.ObjectID{late})); err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, 1)
	for _, want := range []string{"0", "1"} { // in their places
		if d := next(t, c, 10*time.Second); d.Message().CorrelationID != want || d.Ack(t.Context()) != nil {
			t.Errorf("%s came, want %s", d.Message().CorrelationID, want)
		}
	}
	quiet(t, c, 2*idleLook)
}

// Who has lost a message to another must not bring it back when it is done.
func testLateReject(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	publish(t, b, 1)
	c := consume(t, b, 1)
	d := next(t, c, 10*time.Second)
	if _, err := l.held.DeleteMany(t.Context(), of("q")); err != nil { // it was given to another, who is done
		t.Fatal(err)
	}
	if err := d.Nack(t.Context(), true); !errors.Is(err, errGone) || brokers.Definite(err) {
		t.Errorf("nack: %v", err)
	}
	if ready, _, err := b.(brokers.Inspector).Depth(t.Context(), "q"); ready != 0 || err != nil {
		t.Errorf("%d messages wait, %v", ready, err)
	}
}

func testOneHeir(t *testing.T, at string) {
	l := leasesOf(connect(t, at, "lease"))
	now := time.Now()
	if !l.inherit("x", now) || l.inherit("x", now) {
		t.Error("two are heirs of one, or nobody is")
	}
	l.sweep(now.Add(2*lease), false) // which takes the heir for dead
	if !l.inherit("x", now) {
		t.Error("an heir that died is in the way of the next")
	}
}

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
			quiet(t, c, idleAfter+500*time.Millisecond) // until it counts as idle
			const length = 4 * time.Second
			before := asked.read()
			quiet(t, c, length)
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
			quiet(t, c, idleAfter+500*time.Millisecond)
			l := layoutOf(b)
			d, err := l.pack(letter(3))
			if err != nil {
				t.Fatal(err)
			}
			d.ID = bson.NewObjectID()
			if _, err := l.ready().InsertOne(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if got := next(t, c, 5*time.Second); got.Message().CorrelationID != "3" || got.Ack(t.Context()) != nil {
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
	if len(neighbours.subs[s.b.link.place()+"q"]) != 0 {
		t.Error("it has left, and is still known")
	}
}

// Consuming leaves the indexes and bindings that Celery leaves.
func testKombusBindings(t *testing.T, at string) {
	b := connect(t, at, "kombu")
	for _, version := range []string{"52", "56"} {
		theirs := load(t, version)
		if _, err := b.Consume(t.Context(), []string{"celery", "other"}, 1); err != nil {
			t.Fatal(err)
		}
		f := b.(*broker).layout.(*fetching)
		var bound []bson.D
		if err := all(t.Context(), f.routing, bson.D{}, &bound); err != nil {
			t.Fatal(err)
		}
		if len(bound) != len(theirs.Routing) {
			t.Errorf("%s: %d bindings, and Celery makes %d", version, len(bound), len(theirs.Routing))
		}
		for _, want := range theirs.Routing {
			if !slices.ContainsFunc(bound, func(got bson.D) bool { return fmt.Sprint(sorted(got)) == fmt.Sprint(sorted(want)) }) {
				t.Errorf("%s: %v is not among %v", version, want, bound)
			}
		}
		for name, want := range theirs.Indexes {
			specs, err := f.messages.Database().Collection(name).Indexes().ListSpecifications(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range specs {
				got = append(got, s.Name)
			}
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: %s has the indexes %q, Celery's are %q", version, name, got, want)
			}
		}
	}
}

// sorted is a document without its name.
func sorted(d bson.D) (fields []string) {
	for _, e := range d {
		if e.Key != "_id" {
			fields = append(fields, fmt.Sprint(e.Key, e.Value))
		}
	}
	slices.Sort(fields)
	return fields
}

func testTooLarge(t *testing.T, at string) {
	m := letter(0)
	m.Body = make([]byte, largest+1)
	for _, variant := range []string{"lease", "kombu"} {
		b := connect(t, at, variant)
		errs := b.(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{m, letter(1)})
		if !brokers.Definite(errs[0]) || errs[1] != nil {
			t.Errorf("%s: %v", variant, errs)
		}
	}
}
