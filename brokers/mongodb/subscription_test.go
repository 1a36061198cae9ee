package mongodb

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"taskbench/brokers/feed"
)

// apart is a broker whose server nobody asks anything.
func apart(t *testing.T) *broker {
	t.Helper()
	client, err := driver.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	l := &link{client: client, db: client.Database(t.Name()), addr: "127.0.0.1:1", failed: map[int]func(error){}}
	return &broker{link: l, subs: feed.NewSet[*subscription]()}
}

// A puppet is a tenure whose claims are told what to bring.
type puppet struct {
	asked chan struct{}
	bring chan []document
	tends error
	left  bool
}

func (p *puppet) most() int { return 100 }
func (p *puppet) claim(context.Context, []string, int, []bson.ObjectID) ([]document, []bson.ObjectID, error) {
	p.asked <- struct{}{}
	return <-p.bring, nil, nil
}
func (p *puppet) tend(context.Context) error  { return p.tends }
func (p *puppet) leave(context.Context)       { p.left = true }
func (p *puppet) unpack(d document) feed.Item { return feed.Item{} }

func subscribe(b *broker, prefetch int) (*subscription, *puppet) {
	p := &puppet{asked: make(chan struct{}, 1), bring: make(chan []document)}
	s := newSubscription(b, []string{"q"}, prefetch)
	s.tenure, s.lasts = p, lease
	s.forget = b.link.watch(s.lose)
	_ = b.subs.Add(s, nil) // which is refused to nobody: it is not closed
	return s, p
}

// kept counts what is known of a broker's subscriptions, and of what one of them holds.
func kept(b *broker, s *subscription) (subs, watchers, holds int) {
	subs = len(slices.Collect(b.subs.All()))
	b.link.mu.Lock()
	defer b.link.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return subs, len(b.link.failed), len(s.holds)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// What a claim brings that was under way when the consumer ended has an owner.
func TestEndedInTheMiddleOfAClaim(t *testing.T) {
	b := apart(t)
	synctest.Test(t, func(t *testing.T) {
		s, p := subscribe(b, 1)
		go s.claim()
		<-p.asked
		s.halt()
		if isClosed(s.spent) {
			t.Error("its lease is given up, and a claim is under way")
		}
		p.bring <- []document{{Queue: "q"}}
		<-s.idle
		s.mu.Lock()
		s.last = true
		s.mu.Unlock()
		if s.settled(1, nil); !isClosed(s.spent) {
			t.Error("all is settled, and its lease is kept")
		}
	})
}

// A subscription that retires while something is being given back leaves that to be found without an owner, and the broker's
// end does not wait for it.
func TestNobodyRetiresTooEarly(t *testing.T) {
	b := apart(t)
	s, _ := subscribe(b, 2)
	given := 0
	b.layout = returning{settled: func(n int) {
		given += n
		if isClosed(s.spent) {
			t.Error("its lease is given up, and something is being given back")
		}
		if subs, _, holds := kept(b, s); subs != 1 || holds != 2 {
			t.Errorf("meanwhile %d subscriptions and %d messages are known, want 1 and 2", subs, holds)
		}
	}}
	s.hold([]document{{Queue: "q"}, {Queue: "q"}})
	close(s.idle)
	s.End(nil)
	if given != 2 || !isClosed(s.spent) {
		t.Errorf("%d messages were given back; is its lease given up after that: %v", given, isClosed(s.spent))
	}
	if s.close(); given != 2 {
		t.Error("the broker's end gives back once more what is back")
	}
}

// returning is a layout that tells how many messages are given back.
type returning struct {
	layout
	settled func(n int)
}

func (r returning) settle(all []settlement) []error {
	r.settled(len(all))
	return make([]error, len(all))
}

// A process that goes on after a loss, with consumers anew, must not keep the old ones and what they held for ever.
func TestLostSubscriptionsAreForgotten(t *testing.T) {
	b := apart(t)
	synctest.Test(t, func(t *testing.T) {
		s, p := subscribe(b, 1)
		p.tends = errLapsed
		s.hold([]document{{Queue: "q"}})
		go s.claim()
		go s.tend()
		<-s.lost
		synctest.Wait()
		if subs, watchers, holds := kept(b, s); subs != 1 || watchers != 0 || holds != 1 {
			t.Errorf("at once there are %d subscriptions, %d of them told of failed connections, and %d messages; want 1, 0 and 1", subs, watchers, holds)
		}
		<-s.idle
		// It waits for the rest of the lease, after which nothing of it is left.
		ctx, cancel := context.WithTimeout(t.Context(), lease+1)
		defer cancel()
		<-ctx.Done()
		synctest.Wait()
		if subs, _, holds := kept(b, s); subs != 0 || holds != 0 {
			t.Errorf("%d subscriptions and %d messages are kept", subs, holds)
		}
		if err := s.Settle(t.Context(), 1, feed.Ack); !errors.Is(err, errGone) {
			t.Errorf("settled after that: %v", err)
		}
	})
}

// What has no lease is nobody else's, however late it is given back.
func TestLostSubscriptionsWithoutALease(t *testing.T) {
	b := apart(t)
	synctest.Test(t, func(t *testing.T) {
		s, _ := subscribe(b, 1)
		s.lasts = 0
		s.hold([]document{{Queue: "q"}})
		go s.claim()
		go s.tend()
		s.lose(errLink)
		ctx, cancel := context.WithTimeout(t.Context(), 100*lease)
		defer cancel()
		<-ctx.Done()
		synctest.Wait()
		if subs, _, holds := kept(b, s); subs != 1 || holds != 1 {
			t.Errorf("%d subscriptions and %d messages are known, want one of each", subs, holds)
		}
		s.settled(1, nil)
		synctest.Wait()
		if subs, _, _ := kept(b, s); subs != 0 {
			t.Error("all is settled, and it is kept")
		}
	})
}

// A loss in the middle of joining must not leave a subscription with those that publishers wake.
func TestLostWhileJoining(t *testing.T) {
	b := apart(t)
	b.layout = losing{}
	c, err := b.Consume(t.Context(), []string{"q"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, open := <-c.Deliveries(); open || !errors.Is(c.Err(), errLink) {
		t.Errorf("it is to have ended with %v: %v", errLink, c.Err())
	}
	neighbours.mu.Lock()
	defer neighbours.mu.Unlock()
	if n := len(neighbours.subs[b.link.place()+"q"]); n != 0 {
		t.Errorf("%d subscriptions are still woken", n)
	}
}

// losing is a layout whose connection fails while it is joined.
type losing struct{ layout }

func (losing) join(_ context.Context, s *subscription) (tenure, error) {
	s.lose(errLink)
	return &puppet{}, nil
}

// A prefetch of thousands is no licence to fill the memory with what nobody has asked for yet.
func TestWhatWaitsToBeTakenIsBounded(t *testing.T) {
	s, _ := subscribe(apart(t), 10_000)
	large := document{Queue: "q", Envelope: make([]byte, 1<<20)}
	n := 0
	for ; s.free() > 0; n++ {
		s.hold([]document{large})
	}
	if n*len(large.Envelope) > largestBuffer {
		t.Errorf("%d messages of %d bytes were claimed before any was taken", n, len(large.Envelope))
	}
	s.Take(nil)
	if got := s.free(); got != 10_000-n || len(s.room) == 0 {
		t.Errorf("after that there is room for %d, and the claimer is told of it %d times", got, len(s.room))
	}
}
