package resulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

func recordClauses() []Clause {
	return []Clause{
		{
			Name: "pending", Why: "a task that nobody stored is waiting somewhere",
			Check: func(ctx context.Context, e *Env) error {
				_, err := e.get(ctx, e.Backend, e.id("nobody"), result.Pending)
				return err
			},
		},
		{Name: "carries", Why: "clients and workflows look at all parts of a record", Check: carries},
		{Name: "states", Why: "a task is seen to start, to try again and to end", Check: states},
		{Name: "failure", Why: "the client raises what the task raised", Check: fails},
		{Name: "success-is-final", Why: "a task that is delivered twice must not take its result back", Check: final},
		{
			Name: "failure-is-not", Why: "a task that is run again after a failure may succeed",
			Check: func(ctx context.Context, e *Env) error {
				id := e.id("task")
				if err := e.Backend.Store(ctx, failure(id, "first")); err != nil {
					return err
				}
				if err := e.Backend.Store(ctx, success(id, "2")); err != nil {
					return err
				}
				_, err := e.get(ctx, e.Backend, id, result.Success)
				return err
			},
		},
		{Name: "values", Why: "what a task returns comes back as it was", Check: values},
		{
			Name: "refuses", Why: "a document that is no JSON would make every client fail that reads it",
			Check: func(ctx context.Context, e *Env) error {
				id := e.id("bad")
				if err := e.Backend.Store(ctx, success(id, `{"a": `)); err == nil {
					return fmt.Errorf("half a value was stored")
				}
				_, err := e.get(ctx, e.Backend, id, result.Pending)
				return err
			},
		},
		{Name: "thousand", Why: "many tasks end at the same time", Check: thousand},
	}
}

func carries(ctx context.Context, e *Env) error {
	done := time.Date(2026, 11, 22, 0, 55, 41, 853000000, time.UTC)
	r := success(e.id("full"), `{"a": [1, 2.5, null]}`)
	r.Done, r.GroupID, r.ParentID = done, "group", "parent"
	if e.keeps("children") {
		r.Children = []json.RawMessage{[]byte(`[["child", null], null]`)}
	}
	r.Extended = &result.Extended{Name: "add", Args: []byte("[2, 3]"), Kwargs: []byte(`{"k": "v"}`), Worker: "w@host", Retries: 2, Queue: "sums"}
	if err := e.Backend.Store(ctx, r); err != nil {
		return err
	}
	other, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	got, err := e.get(ctx, other, r.TaskID, result.Success)
	if err != nil {
		return err
	}
	if !sameJSON(got.Value, r.Value) {
		return fmt.Errorf("value %s, want %s", got.Value, r.Value)
	}
	if e.keeps("done") && !got.Done.Equal(done) {
		return fmt.Errorf("done %v, want %v", got.Done, done)
	}
	if e.keeps("children") && (len(got.Children) != 1 || !sameJSON(got.Children[0], r.Children[0])) {
		return fmt.Errorf("children %s", got.Children)
	}
	if e.keeps("group") && got.GroupID != "group" || e.keeps("parent") && got.ParentID != "parent" {
		return fmt.Errorf("group %q, parent %q", got.GroupID, got.ParentID)
	}
	if !e.keeps("extended") {
		return nil
	}
	x := got.Extended
	if x == nil || x.Name != "add" || !sameJSON(x.Args, r.Extended.Args) || !sameJSON(x.Kwargs, r.Extended.Kwargs) ||
		x.Worker != "w@host" || x.Retries != 2 || x.Queue != "sums" {
		return fmt.Errorf("extended %+v", x)
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	x, errX := message.Decode(a)
	y, errY := message.Decode(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func states(ctx context.Context, e *Env) error {
	id := e.id("task")
	started := result.Record{TaskID: id, State: result.Started, Value: []byte(`{"pid": 7, "hostname": "w@host"}`)}
	if err := e.Backend.Store(ctx, started); err != nil {
		return err
	}
	r, err := e.get(ctx, e.Backend, id, result.Started)
	if err != nil {
		return err
	}
	if !sameJSON(r.Value, started.Value) || !r.Done.IsZero() {
		return fmt.Errorf("started with %s, done %v", r.Value, r.Done)
	}
	retry := failure(id, "not yet")
	retry.State = result.Retry
	if err := e.Backend.Store(ctx, retry); err != nil {
		return err
	}
	if r, err = e.get(ctx, e.Backend, id, result.Retry); err != nil {
		return err
	}
	if r.Exception == nil || r.Exception.Type != "ValueError" {
		return fmt.Errorf("retry with %+v", r)
	}
	if err := e.Backend.Store(ctx, success(id, "5")); err != nil {
		return err
	}
	if r, err = e.get(ctx, e.Backend, id, result.Success); err != nil {
		return err
	}
	if string(r.Value) != "5" || r.Exception != nil || e.keeps("done") && time.Since(r.Done).Abs() > time.Minute {
		return fmt.Errorf("success %+v", r)
	}
	return nil
}

func fails(ctx context.Context, e *Env) error {
	x := result.NewException("app.errors", "Outer.CustomErr", 42, "wärum", []any{1.5})
	x.Traceback = "Traceback (most recent call last):\n  line ☃\n"
	for _, state := range []result.State{result.Failure, result.Revoked} {
		id := e.id(string(state))
		if err := e.Backend.Store(ctx, result.Record{TaskID: id, State: state, Exception: x}); err != nil {
			return err
		}
		r, err := e.get(ctx, e.Backend, id, state)
		if err != nil {
			return err
		}
		y := r.Exception
		if y == nil || y.Type != x.Type || y.Module != x.Module || y.Traceback != x.Traceback || len(y.Args) != 3 {
			return fmt.Errorf("exception of %+v, want %w", r, x)
		}
		for i := range x.Args {
			if !sameJSON(x.Args[i], y.Args[i]) {
				return fmt.Errorf("argument %d is %s, want %s", i, y.Args[i], x.Args[i])
			}
		}
		if r.Value != nil {
			return fmt.Errorf("a failure has the value %s", r.Value)
		}
	}
	return nil
}

func final(ctx context.Context, e *Env) error {
	id := e.id("task")
	if err := e.Backend.Store(ctx, success(id, "1")); err != nil {
		return err
	}
	other, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	started := result.Record{TaskID: id, State: result.Started, Value: []byte("{}")}
	for _, later := range []result.Record{failure(id, "second run"), started, success(id, "2")} {
		if err := other.Store(ctx, later); err != nil {
			return fmt.Errorf("store %s after SUCCESS: %w", later.State, err)
		}
	}
	if err := e.Backend.Store(ctx, success(id+"-mark", "0")); err != nil { // comes after all of these where it is slow
		return err
	}
	if _, err := e.get(ctx, e.Backend, id+"-mark", result.Success); err != nil {
		return err
	}
	r, err := e.get(ctx, e.Backend, id, result.Success)
	if err == nil && string(r.Value) != "1" {
		err = fmt.Errorf("the first success was 1 and became %s", r.Value)
	}
	return err
}

// big is larger than what a server's or a library's defaults let pass.
const big = 10 << 20

func values(ctx context.Context, e *Env) error {
	for i, value := range []string{
		"null", "true", "0", "-9223372036854775808", "123456789012345678901234567890", "1.5", `""`, `"ünïcode ☃ 😀 \u0000 \" \\ \n"`,
		`[]`, `{}`, `{"": {"é": [[[]]]}}`, "NaN", "[Infinity, -Infinity]",
		`"` + strings.Repeat("x", big) + `"`,
	} {
		id := e.id(fmt.Sprintf("%d-ü☃", i))
		if err := e.Backend.Store(ctx, success(id, value)); err != nil {
			return fmt.Errorf("store %.40s: %w", value, err)
		}
		r, err := e.get(ctx, e.Backend, id, result.Success)
		if err != nil {
			return err
		}
		same := sameJSON(r.Value, []byte(value))
		if value == "NaN" { // is unequal to itself
			same = string(r.Value) == value
		}
		if !same {
			return fmt.Errorf("%.80s came back as %.80s", value, r.Value)
		}
		if err := e.Backend.Forget(ctx, id); err != nil { // a large one is in the way of later clauses
			return err
		}
	}
	return nil
}

func thousand(ctx context.Context, e *Env) error {
	const tasks, callers = 1000, 50
	base := e.id("task")
	errs := make(chan error, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c; i < tasks; i += callers {
				if err := e.Backend.Store(ctx, success(fmt.Sprint(base, i), fmt.Sprint(i))); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	for i := range tasks {
		r, err := e.get(ctx, e.Backend, fmt.Sprint(base, i), result.Success)
		if err != nil {
			return err
		}
		if string(r.Value) != fmt.Sprint(i) {
			return fmt.Errorf("task %d has the result %s", i, r.Value)
		}
	}
	return e.tidy(ctx, base, tasks)
}
