package memory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// A holder takes the only message of queue q over a connection with rules, in a bubble.
func holder(t *testing.T, e *Engine, r Rules) (*Connection, brokers.Consumer, brokers.Delivery) {
	t.Helper()
	b := e.Connect(r)
	t.Cleanup(func() { _ = b.Close() })
	c, err := b.Consume(t.Context(), []string{"q"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	return b, c, <-c.Deliveries()
}

func put(t *testing.T, e *Engine, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := e.Broker().Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

func counted(t *testing.T, e *Engine, queue string, ready, held int) {
	t.Helper()
	synctest.Wait()
	if r, h, err := e.depth(queue); r != ready || h != held || err != nil {
		t.Errorf("%s has %d ready and %d held, %v; want %d and %d", queue, r, h, err, ready, held)
	}
}

func TestLeaseIsRenewedForAsLongAsTheConnectionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		put(t, e, "a")
		b, _, d := holder(t, e, Rules{Lease: 30 * time.Second})
		time.Sleep(3 * time.Hour)
		counted(t, e, "q", 0, 1)
		lost := time.Now()
		b.Break()
		counted(t, e, "q", 0, 1) // its loss alone gives nothing back
		_, _, again := holder(t, e, Rules{})
		if after := time.Since(lost); after < 20*time.Second || after > 30*time.Second || !again.Redelivered() {
			t.Errorf("it came back %v after the connection was lost, flagged: %v; want what is left of 30s", after, again.Redelivered())
		}
		if err := d.Ack(t.Context()); err == nil {
			t.Error("who lost the message has acknowledged it")
		}
		counted(t, e, "q", 0, 1)
	})
}

func TestVisibilityTimeoutOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		put(t, e, "a")
		_, c, d := holder(t, e, Rules{Visibility: time.Hour})
		began := time.Now()
		again := <-c.Deliveries() // to the same consumer, which has never gone away
		if after := time.Since(began); after != time.Hour || !again.Redelivered() {
			t.Errorf("it came back after %v, flagged: %v", after, again.Redelivered())
		}
		if err := d.Ack(t.Context()); !brokers.Definite(err) {
			t.Errorf("the late acknowledgement gives %v, want a Definite error", err)
		}
		counted(t, e, "q", 0, 1) // and has not settled the new delivery
		if err := again.Ack(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		counted(t, e, "q", 0, 0)
	})
}

// What a consumer gives back and is handed again it has for the whole time once more.
func TestVisibilityTimeoutOfAMessageGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		put(t, e, "a")
		_, c, d := holder(t, e, Rules{Visibility: time.Hour})
		time.Sleep(50 * time.Minute)
		if err := d.Nack(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		d = <-c.Deliveries()
		time.Sleep(59 * time.Minute)
		if err := d.Ack(t.Context()); err != nil {
			t.Errorf("held for 59 minutes, it cannot be acknowledged: %v", err)
		}
		counted(t, e, "q", 0, 0)
	})
}

func TestConsumerTimeoutOfThirtyMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		put(t, e, "slow", "bystander")
		began := time.Now()
		_, c, _ := holder(t, e, Rules{ConsumerTimeout: 30 * time.Minute})
		time.Sleep(29 * time.Minute)
		bystander := <-c.Deliveries()
		time.Sleep(30*time.Minute - time.Since(began) - 1)
		counted(t, e, "q", 0, 2)
		if _, open := <-c.Deliveries(); open || !errors.Is(c.Err(), errTimeout) || time.Since(began) != 30*time.Minute {
			t.Errorf("after %v deliveries are open: %v, and Err is %v", time.Since(began), open, c.Err())
		}
		counted(t, e, "q", 2, 0) // all that it held
		if err := bystander.Ack(t.Context()); err == nil {
			t.Error("what came back was acknowledged")
		}
	})
}

func TestDeliveryLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		put(t, e, "a")
		rules := Rules{DeliveryLimit: 3, Visibility: time.Minute}
		b, c, d := holder(t, e, rules)
		if err := d.Nack(t.Context(), true); err != nil { // comes back once
			t.Fatal(err)
		}
		<-c.Deliveries()
		<-c.Deliveries() // twice, a minute later
		b.Break()
		counted(t, e, "q", 1, 0) // three times
		b, _, d = holder(t, e, rules)
		if !d.Redelivered() {
			t.Error("the fourth delivery is not flagged")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		counted(t, e, "q", 0, 0)
		counted(t, e, brokers.DeadLetterQueue("q"), 1, 0)
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, durable := range []bool{true, false} {
			e := New()
			put(t, e, "held", "ready")
			b := e.Broker()
			if err := b.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("transient"), Transient: true}); err != nil {
				t.Fatal(err)
			}
			soon := time.Now().Add(time.Second)
			if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q", Body: []byte("delayed")}, soon); err != nil {
				t.Fatal(err)
			}
			if err := b.(brokers.Exchanger).Bind(t.Context(), brokers.Binding{Exchange: news, Queue: "q"}); err != nil {
				t.Fatal(err)
			}
			listenTo(t, b, brokers.Binding{Exchange: news, Queue: "temporary"})
			c, err := b.Consume(t.Context(), []string{"q"}, 1)
			if err != nil {
				t.Fatal(err)
			}
			d := <-c.Deliveries()
			next := e.Restart(durable)
			if _, open := <-c.Deliveries(); open || d.Ack(t.Context()) == nil {
				t.Errorf("the engine that went deals out: %v", open)
			}
			time.Sleep(2 * time.Second)
			if !durable {
				counted(t, next, "q", 0, 0)
				continue
			}
			counted(t, next, "q", 3, 0)
			route(t, next.Broker(), brokers.Message{Body: []byte("news")})
			counted(t, next, "temporary", 0, 0)
			s := subscribe(t, next, 10, "q")
			var got []string
			for _, it := range s.take(nil, 10) {
				body := string(decode("q", it.envelope).Body)
				if it.redelivered {
					body += " again"
				}
				got = append(got, body)
			}
			if want := []string{"held again", "ready", "delayed", "news"}; !slices.Equal(got, want) {
				t.Errorf("what outlived the restart is %q, want %q", got, want)
			}
			if err := next.Restart(false).Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRulesInURLs(t *testing.T) {
	v := brokers.Variant{Settings: map[string]string{"lease": "5s", "delivery_limit": "7"}}
	got, err := readRules(map[string][]string{"lease": {"30s"}, "consumer-timeout": {"30m"}, "visibility_timeout": {"1h"}}, v)
	want := Rules{Lease: 30 * time.Second, Visibility: time.Hour, ConsumerTimeout: 30 * time.Minute, DeliveryLimit: 7}
	if got != want || err != nil {
		t.Errorf("read as %+v, %v", got, err)
	}
	for _, query := range []string{"lease=soon", "lease=1ms", "delivery_limit=0", "delivery_limit=many", "least=30s"} {
		_, err := Driver.Open(t.Context(), "memory://127.0.0.1:9?"+query, brokers.Variant{})
		name, _, _ := strings.Cut(query, "=")
		if !errors.Is(err, brokers.ErrURL) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s gives %v", query, err)
		}
	}
}

// TestRulesOverALink has the server end a consumer, and a client keep its lease by its pings alone.
func TestRulesOverALink(t *testing.T) {
	t.Parallel()
	s, url := serve(t)
	b := openAt(t, url+"?lease=400ms&consumer_timeout=1500ms")
	send(t, b, "q", 1)
	ctx, cancel := context.WithTimeout(t.Context(), soon+2*time.Second)
	defer cancel()
	c, err := b.Consume(ctx, []string{"q"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	<-c.Deliveries()
	if _, open := <-c.Deliveries(); open || ctx.Err() != nil || c.Err() == nil || !strings.Contains(c.Err().Error(), "consumer timeout") {
		t.Errorf("deliveries are open: %v, and Err is %v", open, c.Err())
	}
	if after := time.Since(began); after < 1500*time.Millisecond {
		t.Errorf("the consumer was ended after %v", after)
	}
	if ready, held, err := s.engine.depth("q"); ready != 1 || held != 0 || err != nil {
		t.Errorf("the queue has %d ready and %d held, %v", ready, held, err)
	}
	send(t, b, "q", 1) // the connection lives on
}

// TestContractWithRules holds the broker to the whole contract under each of its rules.
func TestContractWithRules(t *testing.T) {
	for _, query := range []string{"lease=5s", "visibility_timeout=20s", "consumer_timeout=25s&delivery_limit=20"} {
		t.Run(query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New()
				applied := 0
				defer func() {
					if applied < 30 {
						t.Errorf("only %d clauses were applied", applied)
					}
				}()
				brokertest.Run(t.Context(), ruled(t, e, query), func(r brokertest.ClauseResult) {
					if r.Unfit == "" {
						applied++
					}
					if r.Err != nil {
						t.Errorf("%s: %v", r.Clause.Name, r.Err)
					}
				})
			})
		})
	}
}

// ruled is the broker in this process under rules, one of whose holders can vanish.
func ruled(t *testing.T, e *Engine, query string) brokertest.Subject {
	d := Driver
	d.Server.Library = true // it has no link that could break
	v := d.Variants[0]
	v.Promises = append(slices.Clone(v.Promises), brokers.Timeout)
	v.Settings = make(map[string]string)
	for pair := range strings.SplitSeq(query, "&") {
		name, text, _ := strings.Cut(pair, "=")
		v.Settings[name] = text
	}
	v.Lease, _ = time.ParseDuration(v.Settings["lease"])
	rules, err := readRules(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	d.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) { return e.Connect(rules), nil }
	vanish := func(ctx context.Context, queue string) error {
		b := e.Connect(rules)
		c, err := b.Consume(ctx, []string{queue}, 1)
		if err != nil {
			return err
		}
		<-c.Deliveries()
		b.Break()
		return nil
	}
	return brokertest.Subject{Driver: d, Variant: v, Vanish: vanish}
}

func BenchmarkHandingOutUnderRules(b *testing.B) {
	for name, r := range map[string]Rules{"none": {}, "visibility": {Visibility: time.Hour}} {
		b.Run(name, func(b *testing.B) {
			e := New()
			benchWhole(b, e.Broker(), e.Connect(r), 16, 16)
		})
	}
}
