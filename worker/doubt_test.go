package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
	"taskbench/worker/message"
)

// Whoever counts what a worker has in hand must hear of every attempt's end, also of those that were not run and whose
// settling failed: else they are in hand for ever.
func TestAttemptsOutOfHandAreSaidToBe(t *testing.T) {
	expired, err := message.New("noop", "late", nil, nil, message.Options{Expires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	garbled := task("noop", "late")
	garbled.Body = []byte("[[], {")
	for name, c := range map[string]struct {
		step string
		m    brokers.Message
	}{
		"kept aside": {"nack", garbled},
		"expired":    {"ack", expired},
	} {
		for when, after := range map[string]bool{"before": false, "after": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, seen := newFake(), &witness{}
					s.fail = dropping(c.step, after, 1)
					s.put(c.m)
					w := begin(t, s, Config{Pool: "goroutine"}, seen)
					pass(time.Minute)
					received := 1 // and once more, if the broker has not heard
					if !after {
						received = 2
					}
					if got := seen.count(Received, 0); got != received || s.left() != 0 {
						t.Errorf("received %d times, want %d; %d left", got, received, s.left())
					}
					if out := seen.count(Returned, 0) + seen.count(Acked, 0) + seen.count(Malformed, 0); out != received {
						t.Errorf("out of hand %d times, want %d: %s", out, received, kindNames(seen.of("late")))
					}
					w.stop()
				})
			})
		}
	}
}

// hasty is a connection that is lost after its first Delay.
type hasty struct {
	*memorybroker.Connection
	over *bool
}

func (h hasty) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if err := h.Connection.Delay(ctx, m, until); err != nil || *h.over {
		return err
	}
	*h.over = true
	h.Break()
	return errors.New("the connection was lost")
}

func TestParkedInDoubtIsOutOfHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memorybroker.New()
		defer e.Close()
		d, over := memorybroker.Driver, false
		d.Open = func(context.Context, string, brokers.Variant) (brokers.Broker, error) {
			return hasty{e.Connect(memorybroker.Rules{}), &over}, nil
		}
		if err := e.Broker().Publish(t.Context(), dueIn("far", time.Hour)); err != nil {
			t.Fatal(err)
		}
		seen := &witness{}
		w := runWith(t, Config{Pool: "goroutine", Concurrency: 1, Silent: true}, Options{Driver: d, Observer: seen})
		pass(30 * time.Minute)
		if in, out := seen.count(Received, 0), seen.count(Returned, 0); in != 2 || out != 2 || w.Stats().InHand != 0 {
			t.Errorf("%d received, %d returned, %d in hand; want 2, 2 and 0", in, out, w.Stats().InHand)
		}
		w.stop()
	})
}

// An early acknowledgement of which nobody knows whether it arrived may have: then nobody else has the task, and its
// retry must be sent whatever that takes.
func TestRetryAfterAnEarlyAcknowledgementInDoubt(t *testing.T) {
	for when, after := range map[string]bool{"it did not arrive": false, "it arrived": true} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				lose := dropping("ack", after, 1)
				s.fail = func(step string, a bool) bool { return lose(step, a) }
				s.put(task("retry", "again", 1))
				w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Acks: Early}, nil)
				pass(time.Minute)
				if st := w.Stats(); st.Succeeded != 1 || st.Retried != 1 || s.left() != 0 {
					t.Errorf("%d left, %+v; want that it was retried once and succeeded", s.left(), st)
				}
				w.stop()
			})
		})
	}
}

// A stop whose grace is over leaves nobody behind who goes on to send a retry: the bubble would find them.
func TestGraceEndsTheSendingOfARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.fail = func(step string, after bool) bool { return step == "publish" && !after }
		s.put(task("retry", "again", 1))
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Acks: Early, Grace: 2 * time.Second}, nil)
		pass(time.Minute)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 2*time.Second+lastCall {
			t.Errorf("the stop took %v", took)
		}
	})
}
