package mongodb

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/feed"
	"taskbench/brokers/servertest"
)

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
	first := servertest.Next(t, c, 10*time.Second)
	restore, err := subject.Silence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	began := time.Now()
	again := servertest.Next(t, consume(t, connect(t, at, "lease"), 1), 30*time.Second)
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
	mine, other := connect(t, at, "lease"), connect(t, at, "lease")
	publish(t, mine, 1)
	d := servertest.Next(t, consume(t, mine, 1), 10*time.Second)
	servertest.Quiet(t, consume(t, other, 1), lease+3*tendEvery)
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
	l.sweep(from(time.Now()), true)
	got := servertest.Next(t, consume(t, b, 1), 10*time.Second)
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
	if d := servertest.Next(t, c, 10*time.Second); d.Message().CorrelationID != "1" || d.Ack(t.Context()) != nil {
		t.Errorf("%s came, and its claim is in the way of the next", d.Message().CorrelationID)
	}
	l.sweep(from(time.Now()), true)
	if d := servertest.Next(t, c, 10*time.Second); d.Message().CorrelationID != "0" || d.Ack(t.Context()) != nil {
		t.Errorf("%s came", d.Message().CorrelationID)
	}
	servertest.Quiet(t, c, 2*idleLook)
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
	l.sweep(from(time.Now()), true)
	if _, err := l.waiting.DeleteMany(t.Context(), oneOf("_id", []bson.ObjectID{late})); err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, 1)
	for _, want := range []string{"0", "1"} { // in their places
		if d := servertest.Next(t, c, 10*time.Second); d.Message().CorrelationID != want || d.Ack(t.Context()) != nil {
			t.Errorf("%s came, want %s", d.Message().CorrelationID, want)
		}
	}
	servertest.Quiet(t, c, 2*idleLook)
}

// Who has lost a message to another must not bring it back when it is done.
func testLateReject(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	publish(t, b, 1)
	c := consume(t, b, 1)
	d := servertest.Next(t, c, 10*time.Second)
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

// from is a clock that was told a time just now.
func from(told time.Time) clock { return clock{told: told, asked: time.Now()} }

func testOneHeir(t *testing.T, at string) {
	l := leasesOf(connect(t, at, "lease"))
	type part = func(context.Context) error
	works := func(told time.Time, parts ...part) bool { // whether it could do all of its parts
		worked, done := false, 0
		l.alone("x", from(told), func(context.Context) (part, error) {
			if worked = true; done == len(parts) {
				return nil, nil
			}
			return func(ctx context.Context) error {
				next := parts[done]
				done++
				return next(ctx)
			}, nil
		})
		return worked && done == len(parts)
	}
	now := time.Now()
	once := func(ctx context.Context) error {
		if until, bounded := ctx.Deadline(); !bounded || time.Until(until) > lease/2 {
			t.Errorf("it may write until %v: by then another may do the same", until)
		}
		if works(now) {
			t.Error("two are heirs of one")
		}
		return nil
	}
	if !works(now, once, once, once) || !works(now) {
		t.Error("not all was done, or nobody can do it again")
	}
	if !works(now, func(context.Context) error { return errors.New("cut off") }) || works(now) {
		t.Error("what was cut off, and may still be carried out, is done again at once")
	}
	dies := func(context.Context) error {
		l.sweep(from(now.Add(2*lease)), false) // which takes the heir for dead
		return nil
	}
	if dies(t.Context()); !works(now) {
		t.Error("an heir that died is in the way of the next")
	}
	if works(now, dies, once) {
		t.Error("an heir that was taken for dead works on")
	}
}

// Who clears up after many takes its time, and is not dead for that.
func testHeirOfLongAgo(t *testing.T, at string) {
	l := leasesOf(connect(t, at, "lease"))
	began := clock{told: time.Now().Add(-2 * lease), asked: time.Now().Add(-2 * lease)}
	l.alone("x", began, func(ctx context.Context) (func(context.Context) error, error) {
		l.sweep(from(time.Now()), false)
		if known, err := l.known(ctx); err != nil || !known[heir+"x"] {
			t.Errorf("one that began a while ago is taken for dead: %v, %v", known, err)
		}
		return nil, nil
	})
}
