package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/worker/health"
	"taskbench/worker/result"
)

// A task that ends its worker leaves nobody to count that. Once the broker has counted too many deliveries, its message is
// kept aside, unrun, and everybody who looks is told.
func TestMessagesThatWereHandedOutTooOften(t *testing.T) {
	handed := map[string]int{"first": 0, "last": 2, "poison": 3, "ancient": 5000}
	for name, c := range map[string]struct {
		most   int
		counts bool
		aside  []string
	}{
		"three":                     {3, true, []string{"ancient", "poison"}},
		"as many as nobody said":    {0, true, []string{"ancient"}},
		"no bound":                  {-1, true, nil},
		"a broker that counts none": {3, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, results, o := newFake(), newMoody(), &witness{}
			s.counts = c.counts
			for id, n := range handed {
				m := task("noop", id)
				m.Queue = "q"
				s.ready = append(s.ready, fakeItem{m, n > 0, n})
			}
			book, log := newLogbook(t)
			metrics := health.NewMetrics("w1@lab")
			w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 2, MaxDeliveries: c.most, Name: "w1@lab"}, Options{
				Observer: o, Results: results, Metrics: metrics, Log: log,
			})
			eventually(t, "all are settled", func() bool {
				st := w.Stats()
				return int(st.Succeeded) == len(handed)-len(c.aside) && int(st.Malformed) == len(c.aside) && st.InHand == 0
			})
			dead := s.deadIDs()
			if slices.Sort(dead); !slices.Equal(dead, c.aside) {
				t.Errorf("kept aside: %q, want %q", dead, c.aside)
			}
			var logged []string
			for _, r := range book.of("message kept aside") {
				logged = append(logged, r["id"].(string))
				if why, _ := r["err"].(string); !strings.Contains(why, fmt.Sprintf("handed out %d times", handed[r["id"].(string)]+1)) {
					t.Errorf("the log says %v", r)
				}
			}
			if slices.Sort(logged); !slices.Equal(logged, c.aside) {
				t.Errorf("the log names %q, want %q", logged, c.aside)
			}
			_, text := ask(t, health.Handler(w.Health(), metrics), "/metrics")
			for id := range handed {
				kinds, state := "received started finished stored acked", result.Success
				if slices.Contains(c.aside, id) {
					kinds, state = "received stored malformed", result.Failure
				}
				if got := kindNames(o.of(id)); got != kinds {
					t.Errorf("task %s went %q, want %q", id, got, kinds)
				}
				if r := results.record(t, id); r.State != state || state == result.Failure && r.Exception.Type != "WorkerLostError" {
					t.Errorf("the result of %s is %s %v, want %s", id, r.State, r.Exception, state)
				}
			}
			for _, want := range []string{
				fmt.Sprintf(`celery_task_rejected_total{hostname="w1@lab",name="noop",queue_name="q"} %d`, len(c.aside)),
				fmt.Sprintf(`taskbench_messages_aside_total{hostname="w1@lab"} %d`, len(c.aside)),
			} {
				if !strings.Contains(text, want+"\n") {
					t.Errorf("missing: %s", want)
				}
			}
			w.stop()
		})
	}
}

// The copy as which a task goes back that asked for it is another message than the one it came from: it is not taken for
// that one, and acknowledged unrun, when the broker hands it out again after a lost connection.
func TestTheCopyOfATaskThatAskedToBeQueuedAgainIsAnotherMessage(t *testing.T) {
	for name, fail := range map[string]func(string, bool) bool{
		"the copy is in hand at the loss":          nil,
		"the acknowledgement of the other is lost": dropping("ack", false, 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				s.counts, s.fail = true, fail
				s.put(task("patient", "x"))
				var runs, again atomic.Int64
				r := testRegistry()
				r.Add("patient", func(_ context.Context, r *Request) (any, error) {
					if r.Redelivered {
						again.Add(1)
					}
					switch runs.Add(1) {
					case 5: // the first copy
						s.dropAll()
						fallthrough
					case 1, 2, 3, 4:
						return nil, ErrReject{Requeue: true}
					}
					return nil, nil
				})
				w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 1, MaxDeliveries: 6}, Options{Registry: r})
				pass(time.Minute)
				if st := w.Stats(); runs.Load() != 6 || again.Load() != 5 || st.Succeeded != 1 || s.left() != 0 || len(s.published) != 1 {
					t.Errorf("it ran %d times, %d of them again, and went back as a copy %d times: %+v", runs.Load(), again.Load(), len(s.published), st)
				}
				w.stop()
			})
		})
	}
}

// A task may ask to be queued again as often as it likes: that is no death of a worker.
func TestATaskThatAsksToBeQueuedAgainIsNotHandedOutTooOften(t *testing.T) {
	t.Run("of the worker's bound", func(t *testing.T) { asksOften(t, 6, 0, 3) })
	t.Run("of the broker's bound", func(t *testing.T) { asksOften(t, 0, 20, 10) })
	t.Run("of the broker's bound alone", func(t *testing.T) { asksOften(t, -1, 20, 10) })
}

func asksOften(t *testing.T, most, bound, every int) {
	synctest.Test(t, func(t *testing.T) {
		const often = 50
		s := newFake()
		s.counts, s.bound = true, bound
		s.put(task("patient", "x"))
		var runs atomic.Int64
		r := testRegistry()
		r.Add("patient", func(context.Context, *Request) (any, error) {
			if runs.Add(1) < often {
				return nil, ErrReject{Requeue: true}
			}
			return nil, nil
		})
		w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 1, MaxDeliveries: most}, Options{Registry: r})
		pass(2 * often * time.Second)
		if st := w.Stats(); runs.Load() != often || st.Succeeded != 1 || st.Malformed != 0 || s.left() != 0 {
			t.Errorf("it ran %d times: %+v", runs.Load(), st)
		}
		if n := len(s.published); n == 0 || n > often/every {
			t.Errorf("it went back as a copy %d times, want every time in %d or less", n, every)
		}
		w.stop()
	})
}
