package couchdb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

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
	first := servertest.Next(t, consume(t, mine, 1), soon)
	restore, err := subject.Silence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	began := time.Now()
	again := servertest.Next(t, consume(t, connect(t, at), 1), time.Minute)
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
	mine, other := connect(t, at), connect(t, at)
	publish(t, mine, 1)
	d := servertest.Next(t, consume(t, mine, 1), soon)
	servertest.Quiet(t, consume(t, other, 1), lease+3*tendEvery)
	if err := d.Ack(t.Context()); err != nil {
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
		d := servertest.Next(t, c, soon)
		if err := d.Ack(t.Context()); err != nil || d.Message().CorrelationID == "0" && !d.Redelivered() {
			t.Errorf("message %s, redelivered %v: %v", d.Message().CorrelationID, d.Redelivered(), err)
		}
	}
}

// What was doubted may have been given back by another heir, or claimed by somebody who came after the last look, before
// this heir gets to it: neither is written.
func testHeirIsLate(t *testing.T, at string) {
	b, other := connect(t, at), connect(t, at)
	publish(t, b, 2)
	d := servertest.Next(t, consume(t, other, 1), soon)
	h, err := b.living()
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	var doubted []stranger
	if err := b.link.each(of("q"), func(r row) {
		before[r.id] = r.rev
		doubted = append(doubted, stranger{r.id, "dead"}, stranger{r.id, ""})
	}); err != nil {
		t.Fatal(err)
	}
	for _, s := range doubted {
		h.restore([]stranger{s})
	}
	if err := b.link.each(of("q"), func(r row) {
		if r.rev != before[r.id] {
			t.Errorf("%s was %s, and is %s", r.id, before[r.id], r.rev)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("ack by who claimed it: %v", err)
	}
	h.retire(brokers.ErrClosed)
}

// PouchDB Server dies of two writes that are the same.
func testGivenBackTwice(t *testing.T, at string) {
	b, other := connect(t, at), connect(t, at)
	publish(t, b, 1)
	s := servertest.Next(t, consume(t, b, 1), soon)
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
	d := servertest.Next(t, consume(t, b, 1), soon)
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
		d := servertest.Next(t, c, time.Minute)
		seen[d.Message().CorrelationID] = true
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v came", seen)
	}
	servertest.Quiet(t, c, 500*time.Millisecond)
}

// shift has a clock of ours be another, as that of another machine.
func (c *clock) shift(now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
