package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A task that ends, or is given up, while it still sends must not leave its children to whoever comes after it.
func TestChildrenStayWithTheirParent(t *testing.T) {
	r := testRegistry()
	r.Add("hasty", func(ctx context.Context, r *Request) (any, error) { // its context ends before the broker has answered
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := r.Apply(ctx, canvas.Sig("noop"))
		return err != nil, nil
	})
	for _, limit := range []float64{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			s, b := newFake(), newMoody()
			var publishes atomic.Int32
			s.fail = func(step string, after bool) bool {
				if step == "publish" && !after && publishes.Add(1) == 1 {
					<-time.After(5 * time.Second)
				}
				return false
			}
			m := task("hasty", "hasty")
			if limit > 0 {
				m.Headers["timelimit"] = []any{limit, nil}
			}
			s.put(m, task("wait", "next", 1000), task("wait", "later", 8000))
			w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 1}, Options{Registry: r, Results: b})
			pass(time.Minute)
			for _, id := range []string{"next", "later"} {
				if n := len(b.record(t, id).Children); n != 0 {
					t.Errorf("with a limit of %v s the task %s has %d children, and sent none", limit, id, n)
				}
			}
			if got, want := len(b.record(t, "hasty").Children), map[bool]int{true: 0, false: 1}[limit > 0]; got != want {
				t.Errorf("with a limit of %v s the task that sent one has %d children, want %d", limit, got, want)
			}
			w.stop()
		})
	}
}

// hanging is a backend whose server takes connections and says nothing, or that is broken.
type hanging struct {
	*moody
	panics bool
}

func (h hanging) Get(ctx context.Context, _ string) (result.Record, error) {
	if h.panics {
		panic("as asked")
	}
	<-ctx.Done()
	return result.Record{}, ctx.Err()
}

// A builtin task that waits for a server which does not answer gives up and is tried again, ends with its worker, and
// does no harm to that when it panics.
func TestBuiltinTaskThatHangs(t *testing.T) {
	unlock := func() brokers.Message {
		m, err := message.New("celery.chord_unlock", "unlock", []any{"G", canvas.Sig("noop")}, map[string]any{"result": []any{[]any{[]any{"member", nil}, nil}}}, message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, panics := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			s.put(unlock())
			w := beginWith(t, s, Config{Pool: "goroutine", Grace: time.Second}, Options{Results: hanging{newMoody(), panics}})
			pass(attention + time.Minute)
			if st := w.Stats(); panics && st.Failed != 1 || !panics && (st.Retried != 1 || s.left() != 1) {
				t.Errorf("panics %v: %d left, %+v", panics, s.left(), st)
			}
			at := time.Now()
			w.stop()
			if took := time.Since(at); took > 2*time.Second || !panics && s.left() != 1 {
				t.Errorf("panics %v: the stop took %v, and %d messages are left", panics, took, s.left())
			}
		})
	}
}
