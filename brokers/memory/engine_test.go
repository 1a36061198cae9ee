package memory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

func fill(t *testing.T, e *Engine, queue string, priorities ...uint8) {
	t.Helper()
	for _, p := range priorities {
		if err := e.publish(queue, nil, p, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func subscribe(t *testing.T, e *Engine, prefetch int, queues ...string) *subscription {
	t.Helper()
	s, err := e.subscribe(queues, prefetch, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tags(items []taken) (tags []uint64) {
	for _, it := range items {
		tags = append(tags, it.tag)
	}
	return tags
}

func TestReturnedMessagesTakeTheirOldPlaces(t *testing.T) {
	e := New()
	fill(t, e, "q", make([]uint8, 100)...)
	s := subscribe(t, e, 50, "q")
	held := tags(s.take(nil, 50))
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	for _, tag := range held {
		if err := s.settle(tag, feed.Requeue); err != nil {
			t.Fatal(err)
		}
	}
	s.setPrefetch(100)
	if got := tags(s.take(nil, 100)); len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("after messages came back in disorder, they are handed out in the order %v", got)
	}
}

func TestUrgentFirstAndUnknownPrioritiesAreTheMostUrgent(t *testing.T) {
	e := New()
	fill(t, e, "q", 0, 5, 255, 9, 5)
	s := subscribe(t, e, 10, "q")
	if got, want := tags(s.take(nil, 10)), []uint64{3, 4, 2, 5, 1}; !slices.Equal(got, want) {
		t.Errorf("handed out in the order %v, want %v", got, want)
	}
}

func TestQueuesAreServedInTurn(t *testing.T) {
	e := New()
	fill(t, e, "long", make([]uint8, 10)...)
	fill(t, e, "short", 0)
	s := subscribe(t, e, 2, "long", "short")
	items := s.take(nil, 2)
	if len(items) != 2 || items[0].queue == items[1].queue {
		t.Errorf("with one queue long and one short, the first two are %v", items)
	}
}

func TestExpiredMessagesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		for _, ttl := range []time.Duration{time.Second, 0, time.Hour} {
			if err := e.publish("q", nil, 0, ttl); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(2 * time.Second) // of the bubble's time
		s := subscribe(t, e, 10, "q")
		if got := tags(s.take(nil, 10)); !slices.Equal(got, []uint64{2, 3}) {
			t.Errorf("after the first has expired, %v are handed out", got)
		}
		if ready, held, err := e.depth("q"); ready != 0 || held != 2 || err != nil {
			t.Errorf("depth is %d and %d, %v", ready, held, err)
		}
	})
}

// A wake-up is meant for whoever can take the message. When that one ends or fills up first, another must get it.
func TestNoWakeUpIsLost(t *testing.T) {
	woken := func(s *subscription) bool {
		select {
		case <-s.wake:
			return true
		default:
			return false
		}
	}
	for name, spoil := range map[string]func(s *subscription){
		"ends":   func(s *subscription) { s.end() },
		"closes": func(s *subscription) { s.close() },
		"fills up elsewhere": func(s *subscription) {
			fill(t, s.engine, "other", 0)
			s.take(nil, 1)
		},
		"lowers its bound": func(s *subscription) {
			fill(t, s.engine, "other", 0)
			s.setPrefetch(2)
			s.take(nil, 1)
			s.setPrefetch(1)
			s.take(nil, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := New()
			a, b := subscribe(t, e, 1, "other", "q"), subscribe(t, e, 1, "q")
			a.take(nil, 1) // both find nothing and wait
			b.take(nil, 1)
			e.queue("q").turn = 1 // so that a is next
			fill(t, e, "q", 0)
			if !woken(a) || woken(b) {
				t.Fatal("not the one whose turn it was, and only that, was woken")
			}
			spoil(a)
			if !woken(b) {
				t.Error("a message is ready, and nobody who has room was woken")
			}
		})
	}
}

func TestCloseLosesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		b := e.Broker()
		if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil {
			t.Fatal(err)
		}
		c, err := b.Consume(t.Context(), []string{"q"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := <-c.Deliveries()
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Fatal(err)
		}
		if _, open := <-c.Deliveries(); open || c.Err() == nil {
			t.Errorf("after the engine's end deliveries are open: %v, Err: %v", open, c.Err())
		}
		if err := d.Ack(t.Context()); err == nil {
			t.Error("what is gone was acknowledged")
		}
		if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); !brokers.Definite(err) {
			t.Errorf("publish after the engine's end: %v, want a Definite error", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestEngineAgainstModel drives a queue at random and compares it with the simplest thing that could be right.
func TestEngineAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			e := New()
			s := subscribe(t, e, 10, "q")
			type message struct {
				tag      uint64
				priority uint8
			}
			var ready, held []message
			var last uint64
			for range 2000 {
				switch r.IntN(4) {
				case 0, 1:
					last++
					m := message{last, uint8(r.IntN(3))}
					fill(t, e, "q", m.priority)
					ready = append(ready, m)
				case 2:
					slices.SortFunc(ready, func(a, b message) int {
						return 2*(int(b.priority)-int(a.priority)) + int(min(1, max(-1, int(a.tag)-int(b.tag))))
					})
					n := min(len(ready), 10-len(held), 1+r.IntN(3))
					got := tags(s.take(nil, min(n, 10)))
					for i, m := range ready[:n] {
						if i >= len(got) || got[i] != m.tag {
							t.Fatalf("handed out %v, want first %v", got, ready[:n])
						}
					}
					held, ready = append(held, ready[:n]...), ready[n:]
				case 3:
					if len(held) == 0 {
						continue
					}
					i := r.IntN(len(held))
					o := feed.Outcome(1 + r.IntN(4))
					if err := s.settle(held[i].tag, o); err != nil {
						t.Fatal(err)
					}
					if o == feed.Requeue || o == feed.Unseen {
						ready = append(ready, held[i])
					}
					if o == feed.Reject {
						last++ // its tag in the dead letter queue
					}
					held = slices.Delete(held, i, i+1)
				}
				if gotReady, gotHeld, _ := e.depth("q"); gotReady != len(ready) || gotHeld != len(held) {
					t.Fatalf("depth is %d and %d, want %d and %d", gotReady, gotHeld, len(ready), len(held))
				}
			}
		})
	}
}
