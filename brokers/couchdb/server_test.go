package couchdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

const soon = 20 * time.Second // how long something that must happen may take

// serve starts PouchDB Server, in place of CouchDB, or that itself where it is on PATH. It returns the server's URL
// without a database.
func serve(t *testing.T) (string, *servertest.Server) {
	t.Helper()
	servertest.PouchDB(t)
	s := servertest.Launch(t, Driver)
	return strings.TrimSuffix(s.URL, "taskbench"), s
}

// connect opens a broker on a database of the test's own.
func connect(t *testing.T, at string) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), at+database(t), Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*broker)
}

func database(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()))
}

func letter(n int) brokers.Message {
	return brokers.Message{Queue: "q", CorrelationID: fmt.Sprint(n), Body: []byte("x")}
}

func publish(t *testing.T, b *broker, n int) {
	t.Helper()
	ms := make([]brokers.Message, n)
	for i := range ms {
		ms[i] = letter(i)
	}
	if err := errors.Join(b.PublishBatch(t.Context(), ms)...); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, b *broker, prefetch int) brokers.Consumer {
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

// settleAs makes sure of what comes next, and acknowledges it.
func settleAs(t *testing.T, c brokers.Consumer, want string) {
	t.Helper()
	d := next(t, c, soon)
	if got := d.Message().CorrelationID; got != want {
		t.Errorf("message %s came, want %s", got, want)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("ack %s: %v", want, err)
	}
}

func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	at, _ := serve(t)
	for name, test := range map[string]func(t *testing.T, at string){
		"names itself": testNamesItself, "claims are exclusive": testClaimsAreExclusive, "dead consumer": testDeadConsumer,
		"lease is renewed": testLeaseIsRenewed, "idle costs little": testIdleCostsLittle, "woken": testWoken,
		"long queue": testLongQueue, "clocks apart": testClocksApart, "foreign documents": testForeignDocuments,
		"read only": testReadOnly, "database deleted": testDatabaseDeleted, "nobodys": testNobodys, "compaction": testCompaction,
		"given back twice": testGivenBackTwice,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at)
		})
	}
}

func testNamesItself(t *testing.T, at string) {
	version, err := Driver.Server.Ready(t.Context(), at)
	if err != nil || !strings.HasPrefix(version, "PouchDB Server 4.") && !strings.HasPrefix(version, "3.") {
		t.Errorf("version %q, %v", version, err)
	}
}

func testClaimsAreExclusive(t *testing.T, at string) {
	const n = 200
	publish(t, connect(t, at), n)
	times := map[string]int{}
	var mu sync.Mutex
	var left atomic.Int64
	left.Store(n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var readers sync.WaitGroup
	for range 3 {
		c, err := connect(t, at).Consume(ctx, []string{"q"}, 7)
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for d := range c.Deliveries() {
				mu.Lock()
				times[d.Message().CorrelationID]++
				mu.Unlock()
				if err := d.Ack(t.Context()); err != nil {
					t.Error(err)
				}
				if left.Add(-1) <= 0 {
					cancel()
				}
			}
		})
	}
	readers.Wait()
	for id, k := range times {
		if k != 1 {
			t.Errorf("message %s was claimed %d times", id, k)
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
	mine := connect(t, subject.URL)
	publish(t, mine, 1)
	first := next(t, consume(t, mine, 1), soon)
	restore, err := subject.Silence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	began := time.Now()
	again := next(t, consume(t, connect(t, at), 1), time.Minute)
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
	mine, other := connect(t, at), connect(t, at)
	publish(t, mine, 1)
	d := next(t, consume(t, mine, 1), soon)
	quiet(t, consume(t, other, 1), lease+3*tendEvery)
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// A fleet of idle workers is what most servers have to bear most of the time.
func testIdleCostsLittle(t *testing.T, at string) {
	b := connect(t, at)
	var asked atomic.Int64
	inner := b.link.wire.count
	b.link.wire.count = func() { asked.Add(1); inner() }
	c := consume(t, b, 4)
	publish(t, b, 1)
	settleAs(t, c, "0")
	quiet(t, c, time.Second)
	const length = 5 * time.Second
	before := asked.Load()
	quiet(t, c, length)
	if n := asked.Load() - before; n > 2*int64(length/time.Second) || n == 0 {
		t.Errorf("%d requests in %v of idleness, want at most two a second", n, length)
	}
}

// Who publishes elsewhere wakes whoever waits.
func testWoken(t *testing.T, at string) {
	mine, other := connect(t, at), connect(t, at)
	c := consume(t, mine, 4)
	quiet(t, c, time.Second)
	for i := range 5 {
		publish(t, other, 1)
		began := time.Now()
		settleAs(t, c, "0")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("message %d came after %v", i, took)
		}
	}
}

// More messages than are known at once come all, in order, and an urgent one that is published last comes soon.
func testLongQueue(t *testing.T, at string) {
	b := connect(t, at)
	const n = stock + 300
	publish(t, b, n)
	c := consume(t, b, 100)
	for i := range n {
		d := next(t, c, soon)
		if got := d.Message().CorrelationID; got != fmt.Sprint(i) {
			t.Fatalf("message %s came, want %d", got, i)
		}
		go func() { _ = d.Ack(t.Context()) }() // many at once; what is not acknowledged would come again
		if i == 10 {
			m := letter(-1)
			m.Queue, m.Priority = "other", 9
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := servertest.Until(t.Context(), soon, func() error {
		if ready, unacked, err := b.Depth(t.Context(), "q"); ready+unacked != 0 || err != nil {
			return fmt.Errorf("%d ready, %d unacked, %w", ready, unacked, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A publisher and a consumer whose clocks are an hour apart agree on when a message is due, by the server's.
func testClocksApart(t *testing.T, at string) {
	ahead, right := connect(t, at), connect(t, at)
	hour := func() time.Time { return time.Now().Add(time.Hour) }
	ahead.link.clock.shift(hour)
	if _, _, err := ahead.Depth(t.Context(), "q"); err != nil { // which has it hear the server's
		t.Fatal(err)
	}
	if off := ahead.link.clock.ahead() + time.Hour; off.Abs() > 2*time.Second {
		t.Fatalf("the server's clock is taken to be %v away", off)
	}
	c, other := consume(t, right, 5), connect(t, at)
	began := time.Now()
	if err := ahead.Delay(t.Context(), letter(1), hour().Add(4*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := ahead.Publish(t.Context(), letter(2)); err != nil {
		t.Fatal(err)
	}
	settleAs(t, c, "2")
	if ready, _, err := other.Depth(t.Context(), "q"); ready != 0 || err != nil {
		t.Errorf("%d messages are ready, %v", ready, err)
	}
	settleAs(t, c, "1")
	if took := time.Since(began); took < 2*time.Second || took > 9*time.Second {
		t.Errorf("what was due after 4 s came after %v", took)
	}
}

func testForeignDocuments(t *testing.T, at string) {
	b := connect(t, at)
	for id, doc := range map[string]any{
		"invoice-7": map[string]any{"total": 7}, "q/q": map[string]any{"total": 8}, of("q") + "5/x": map[string]any{"text": "hallo"},
	} {
		if _, err := b.link.messages.Put(t.Context(), id, doc); err != nil {
			t.Fatal(err)
		}
	}
	if ready, unacked, err := b.Depth(t.Context(), "q"); ready != 1 || unacked != 0 || err != nil {
		t.Errorf("%d ready, %d unacked, %v, want the one that is in the queue", ready, unacked, err)
	}
	c := consume(t, b, 5)
	d := next(t, c, soon)
	if m := d.Message(); !strings.Contains(string(m.Body), `"hallo"`) || m.Queue != "q" || m.Headers != nil {
		t.Errorf("got %+v", m)
	}
	if err := d.Nack(t.Context(), false); err != nil {
		t.Error(err)
	}
	quiet(t, c, time.Second)
	if n, err := b.Purge(t.Context(), "q"); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	var kept struct {
		Total int `json:"total"`
	}
	if err := b.link.messages.Get(t.Context(), "invoice-7").ScanDoc(&kept); err != nil || kept.Total != 7 {
		t.Errorf("the document of somebody else is %+v, %v", kept, err)
	}
}

// A database may have rules of its own.
func testReadOnly(t *testing.T, at string) {
	b := connect(t, at)
	_, err := b.link.messages.Put(t.Context(), "_design/no", map[string]any{
		"validate_doc_update": `function (doc) { if (doc.envelope) throw {forbidden: "this is a replica"} }`,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Publish(t.Context(), letter(1))
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "publish to q in couchdb") || !strings.Contains(err.Error(), "may read and write") {
		t.Errorf("publish: %v", err)
	}
	if ready, _, err := b.Depth(t.Context(), "q"); ready != 0 || err != nil {
		t.Errorf("%d messages are ready, %v", ready, err)
	}
}

func testDatabaseDeleted(t *testing.T, at string) {
	b := connect(t, at)
	if err := b.link.client.DestroyDB(t.Context(), database(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), letter(1)); !brokers.Definite(err) || !strings.Contains(err.Error(), "deleted one since") {
		t.Errorf("publish: %v", err)
	}
	publish(t, connect(t, at), 1) // which makes it again
}

// What is held in the name of nobody, or was edited by hand so that it seems to be held, comes back.
func testNobodys(t *testing.T, at string) {
	b := connect(t, at)
	publish(t, b, 2)
	var all []document
	if err := b.link.each(of("q"), func(r row) { all = append(all, document{ID: r.id}) }); err != nil || len(all) != 2 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	found, err := b.link.fetch(t.Context(), []string{all[0].ID, all[1].ID})
	if err != nil {
		t.Fatal(err)
	}
	orphan, edited := found[all[0].ID], found[all[1].ID]
	orphan.Holder = "nobody"
	if _, errs := b.link.store([]document{orphan, edited}); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	c := consume(t, b, 5)
	for range 2 {
		d := next(t, c, soon)
		if err := d.Ack(t.Context()); err != nil || d.Message().CorrelationID == "0" && !d.Redelivered() {
			t.Errorf("message %s, redelivered %v: %v", d.Message().CorrelationID, d.Redelivered(), err)
		}
	}
}

func testCompaction(t *testing.T, at string) {
	b := connect(t, at)
	if b.link.product.PouchDB == "" {
		t.Skip("CouchDB does it by itself")
	}
	publish(t, b, 20)
	if n, err := b.Purge(t.Context(), "q"); n != 20 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	b.link.tidy(litter)
	if err := servertest.Until(t.Context(), soon, func() error {
		if b.link.busy.Load() || b.link.settled.Load() != 0 {
			return errors.New("it is still at it")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(b.link.base + database(t) + "/_local/compaction")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("it left no trace: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// PouchDB Server dies of two writes that are the same.
func testGivenBackTwice(t *testing.T, at string) {
	b, other := connect(t, at), connect(t, at)
	publish(t, b, 1)
	s := next(t, consume(t, b, 1), soon)
	held := b.holder
	var doc document
	held.mu.Lock()
	for sub := range held.subs {
		for _, d := range sub.holds {
			doc = d
		}
	}
	held.mu.Unlock()
	doc.Holder, doc.Handed = "", 1
	results := make(chan error, 2)
	for _, l := range []*link{b.link, other.link} {
		go func() {
			_, errs := l.store([]document{doc})
			results <- errs[0]
		}()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), errConflict) {
		t.Errorf("%v and %v, want one to be too late", first, second)
	}
	if err := s.Ack(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("ack of what was taken away: %v", err)
	}
}

// A message that was claimed before the server died is acknowledged after it, by a consumer that is open anew.
func TestServerIsKilledBetweenClaimAndAck(t *testing.T) {
	servertest.Needed(t)
	at, s := serve(t)
	b := connect(t, at)
	publish(t, b, 3)
	d := next(t, consume(t, b, 1), soon)
	s.Kill()
	if err := d.Ack(t.Context()); err == nil {
		t.Error("a dead server took an ack")
	}
	if err := b.Publish(t.Context(), letter(7)); err == nil || !brokers.Definite(err) {
		t.Errorf("publish to a dead server: %v", err)
	}
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := consume(t, connect(t, at), 3)
	seen := map[string]bool{}
	for range 3 {
		d := next(t, c, time.Minute)
		seen[d.Message().CorrelationID] = true
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v came", seen)
	}
	quiet(t, c, 500*time.Millisecond)
}

// deadAddress is where nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// shift has a clock of ours be another, as that of another machine.
func (c *clock) shift(now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
