package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/pool"
	"taskbench/worker/result"
)

// angry cannot be encoded, and says so by panic.
type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { panic("not me") }

// ran runs a function as one attempt.
func ran(t *testing.T, ctx context.Context, f Func, set func(*pool.Job)) (pool.Result, *witness) {
	t.Helper()
	r := &Registry{}
	r.Add("it", f)
	m := task("it", "id")
	m.Headers["retries"] = 2
	read, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	j := &pool.Job{Task: read}
	if set != nil {
		set(j)
	}
	o := &witness{}
	return runner{registry: r, observer: o}.run(ctx, j), o
}

func TestWhatBecomesOfAFunctionsEnd(t *testing.T) {
	kept := result.NewException("shop.errors", "SoldOut", "tea", 3)
	for _, c := range []struct {
		name   string
		value  any
		err    error
		status pool.Status
		want   string // the value, or the exception
	}{
		{"nothing", nil, nil, pool.OK, ""},
		{"a value", map[string]any{"a": []int{1}}, nil, pool.OK, `{"a":[1]}`},
		{"raw JSON", json.RawMessage(`[1, 2]`), nil, pool.OK, `[1,2]`},
		{"an error", nil, errors.New("boom"), pool.Failed, "Exception: boom"},
		{"an exception", nil, fmt.Errorf("wrapped: %w", kept), pool.Failed, `shop.errors.SoldOut: ("tea", 3)`},
		{"a function", func() {}, nil, pool.Failed, "kombu.exceptions.EncodeError: the task ran to its end and is not run again"},
		{"no number", math.NaN(), nil, pool.Failed, "kombu.exceptions.EncodeError: the task ran to its end and is not run again"},
		{"raw that is none", json.RawMessage(`{`), nil, pool.Failed, "kombu.exceptions.EncodeError: the task ran to its end and is not run again"},
		{"a value that panics", angry{}, nil, pool.Failed, "kombu.exceptions.EncodeError: the task ran to its end and is not run again"},
		{"a retry", nil, &RetryError{After: time.Second, Cause: kept}, pool.Retry, `shop.errors.SoldOut: ("tea", 3)`},
		{"a retry for no reason", nil, &RetryError{After: time.Second}, pool.Retry, "celery.exceptions.Retry: retry after 1s"},
		{"one retry too many", nil, &RetryError{Max: 2, Cause: errors.New("never")}, pool.Failed, "Exception: never"},
		{"one too many for no reason", nil, &RetryError{Max: 2}, pool.Failed, "celery.exceptions.MaxRetriesExceededError: Can't retry it[id]: it was retried 2 times"},
	} {
		r, o := ran(t, t.Context(), func(context.Context, *Request) (any, error) { return c.value, c.err }, nil)
		got := string(r.Value)
		if r.Exception != nil {
			got = r.Exception.Error()
		}
		if r.Status != c.status || !strings.HasPrefix(got, c.want) || c.want == "" && r.Value != nil || (r.Err == nil) != (r.Exception == nil) {
			t.Errorf("%s: %+v with %q, want status %d with %q", c.name, r, got, c.status, c.want)
		}
		if o.count(Finished, 0) != 1 {
			t.Errorf("%s: its end was not told once", c.name)
		}
	}
}

// A task that ends before its soft limit is not told of it, and nor is anybody else afterwards.
func TestEndsBeforeItsSoftLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := ran(t, t.Context(), func(context.Context, *Request) (any, error) { return nil, nil }, func(j *pool.Job) { j.Soft = time.Second })
		pass(time.Minute)
		if events := kindNames(o.of("id")); events != "started finished" {
			t.Errorf("events %s", events)
		}
	})
}

func TestPanicKeepsItsStack(t *testing.T) {
	r, _ := ran(t, t.Context(), func(context.Context, *Request) (any, error) { panic("boom") }, nil)
	if r.Status != pool.Failed || r.Exception.Error() != "Exception: panic: boom" || !strings.Contains(r.Exception.Traceback, "TestPanicKeepsItsStack") {
		t.Errorf("%+v: %v\n%s", r, r.Exception, r.Exception.Traceback)
	}
	if !strings.HasPrefix(r.Err.Error(), "panic: boom\n") {
		t.Errorf("error %q", r.Err)
	}
}

func TestEndedContexts(t *testing.T) {
	own := errors.New("could not clean up")
	for _, c := range []struct {
		name   string
		cause  error // nil: the soft limit of the job
		err    func(context.Context) error
		status pool.Status
		want   string
	}{
		{"soft limit, its cause", nil, context.Cause, pool.TimedOut, "billiard.exceptions.SoftTimeLimitExceeded"},
		{"soft limit, its error", nil, context.Context.Err, pool.TimedOut, "billiard.exceptions.SoftTimeLimitExceeded"},
		{"soft limit, an error of its own", nil, func(context.Context) error { return own }, pool.TimedOut, "Exception: could not clean up"},
		{"soft limit, and done", nil, func(context.Context) error { return nil }, pool.OK, ""},
		{"revoked", ErrRevoked, context.Cause, pool.Killed, "celery.exceptions.TaskRevokedError: terminated"},
		{"stopped", ErrStopped, context.Cause, pool.Killed, "Exception: " + ErrStopped.Error()},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if c.cause != nil {
			cancel(c.cause)
		}
		r, o := ran(t, ctx, func(ctx context.Context, _ *Request) (any, error) {
			<-ctx.Done()
			if c.cause == nil && (!errors.Is(context.Cause(ctx), ErrSoftLimit) || !errors.Is(context.Cause(ctx), ErrTimeLimit)) {
				t.Errorf("%s: cause %v", c.name, context.Cause(ctx))
			}
			return nil, c.err(ctx)
		}, func(j *pool.Job) {
			j.Soft = time.Hour
			if c.cause == nil {
				j.Soft = time.Millisecond
			}
		})
		events := "started finished"
		if c.cause == nil {
			events = "started told finished" // the task is not over before its having been told is on record
		}
		if told := kindNames(o.of("id")); told != events {
			t.Errorf("%s: events %s, want %s", c.name, told, events)
		}
		got := ""
		if r.Exception != nil {
			got = r.Exception.Error()
		}
		if r.Status != c.status || got != c.want || r.Terminated != errors.Is(c.cause, ErrRevoked) {
			t.Errorf("%s: %+v with %q, want status %d with %q", c.name, r, got, c.status, c.want)
		}
		cancel(nil)
	}
}

// An attempt that was given up has an outcome already.
func TestEndOfAnAbandonedAttemptIsNotTold(t *testing.T) {
	_, o := ran(t, t.Context(), func(context.Context, *Request) (any, error) { return nil, nil }, func(j *pool.Job) {
		j.Ended = func(pool.Result) bool { return false }
	})
	if o.count(Started, 0) != 1 || o.count(Finished, 0) != 0 {
		t.Errorf("events %s", kindNames(o.of("id")))
	}
}

func TestRequestSend(t *testing.T) {
	var sent []string
	var late *Request
	send := func(m brokers.Message) error {
		sent = append(sent, m.Queue)
		if m.Queue == "bad" {
			return brokers.Refusef("no such queue")
		}
		return nil
	}
	ran(t, t.Context(), func(ctx context.Context, r *Request) (any, error) {
		late = r
		if err := r.Send(ctx, brokers.Message{Queue: "good"}); err != nil {
			t.Error(err)
		}
		if err := r.Send(context.Background(), brokers.Message{Queue: "bad"}); !brokers.Definite(err) || !strings.Contains(err.Error(), "task it: send: no such queue") {
			t.Errorf("refused: %v", err)
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := r.Send(over, brokers.Message{Queue: "never"}); !brokers.Definite(err) || !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		return nil, nil
	}, func(j *pool.Job) { j.Send = send })
	if err := late.Send(t.Context(), brokers.Message{Queue: "late"}); !brokers.Definite(err) {
		t.Errorf("after the end: %v", err)
	}
	if got := fmt.Sprint(sent); got != "[good bad]" {
		t.Errorf("sent %s", got)
	}
	if err := (&Request{Task: "it"}).Send(t.Context(), brokers.Message{}); !brokers.Definite(err) {
		t.Errorf("with nobody to send: %v", err)
	}
}

// What was sent may have arrived: the context's end in between leaves that open.
func TestRequestSendGivenUp(t *testing.T) {
	let, began := make(chan bool), make(chan bool)
	defer close(let)
	ctx, cancel := context.WithCancel(t.Context())
	r := &Request{Task: "it", send: func(brokers.Message) error { close(began); <-let; return nil }}
	go func() { <-began; cancel() }()
	if err := r.Send(ctx, brokers.Message{}); brokers.Definite(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want an end that leaves it open", err)
	}
}

// In every pool a task's hard limit has one outcome, which is told once.
func TestHardLimitIsToldOnce(t *testing.T) {
	for _, kind := range []string{"goroutine", "threads", "green", "prefork"} {
		t.Run(kind, func(t *testing.T) {
			path := t.TempDir() + "/diary"
			t.Setenv(diaryEnv, path)
			s := newFake()
			m := task("nap", "slow", 1000)
			m.Headers["timelimit"] = []any{0.2, nil}
			// What was abandoned comes to its end meanwhile, and a green child must not go before.
			s.put(task("nap", "bystander", 2000), m)
			w := begin(t, s, Config{Pool: kind, Concurrency: 2}, openDiary(path))
			eventually(t, "both are settled", func() bool { return s.left() == 0 })
			w.stop()
			var told []string
			for _, n := range readDiary(t, path) {
				if n.Kind == Finished && n.ID == "slow" {
					told = append(told, fmt.Sprint(n.Outcome, n.Process == os.Getpid()))
				}
			}
			if want := []string{fmt.Sprint(TimedOut, true)}; fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("told of its end: %v, want %v", told, want)
			}
		})
	}
}
