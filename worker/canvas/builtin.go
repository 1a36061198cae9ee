package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A Builtin is the function of a task that every worker knows. A *RetryError asks for another attempt.
type Builtin func(ctx context.Context, t *message.Task, body message.Body) (any, error)

// A RetryError asks that the same task be tried again.
type RetryError struct {
	After time.Duration
	Max   int // retries beyond this are a failure; below 0 is no bound
	Cause error
}

func (e *RetryError) Error() string { return fmt.Sprintf("retry after %v: %v", e.After, e.Cause) }

// Unwrap returns the Cause.
func (e *RetryError) Unwrap() error { return e.Cause }

// A Runner calls the function of a task of this worker with nothing but arguments, as celery.map does.
type Runner func(ctx context.Context, task string, args []json.RawMessage) (any, error)

// Local are the builtin tasks that need neither broker nor results, by their names: they can be run in a child.
func Local(run Runner) map[string]Builtin {
	return map[string]Builtin{
		taskAccumulate: accumulate,
		taskMap: func(ctx context.Context, _ *message.Task, b message.Body) (any, error) {
			return iterated(b, func(name string, item json.RawMessage) (any, error) {
				return run(ctx, name, []json.RawMessage{item})
			})
		},
		taskStarMap: func(ctx context.Context, _ *message.Task, b message.Body) (any, error) {
			return iterated(b, func(name string, item json.RawMessage) (any, error) {
				args, err := message.Elements(item)
				if err != nil {
					return nil, err
				}
				return run(ctx, name, args)
			})
		},
	}
}

// Builtins are the builtin tasks that need the follower's connections, by their names.
func Builtins(f *Follower) map[string]Builtin {
	return map[string]Builtin{
		taskUnlock:  f.unlock,
		taskCleanup: f.cleanup,
		taskGroup:   f.composed(KindGroup),
		taskChain:   f.composed(KindChain),
		taskChord:   f.composed(KindChord),
		taskChunks:  f.composed(""),
	}
}

// accumulate returns its arguments, or the one that index names.
func accumulate(_ context.Context, _ *message.Task, b message.Body) (any, error) {
	raw := b.Kwargs["index"]
	if none(raw) {
		return json.RawMessage(appendList(nil, b.Args)), nil
	}
	i, ok := decodeInt(raw)
	if ok && i < 0 {
		i += len(b.Args)
	}
	if !ok || i < 0 || i >= len(b.Args) {
		return nil, result.NewException(result.Builtins, "IndexError", "tuple index out of range")
	}
	return b.Args[i], nil
}

// iterated calls a task for each of the items that a map or starmap was sent with.
func iterated(b message.Body, call func(name string, item json.RawMessage) (any, error)) (any, error) {
	raws := [2]json.RawMessage{b.Kwargs["task"], b.Kwargs["it"]}
	for i := range min(len(b.Args), 2) {
		raws[i] = b.Args[i]
	}
	task, err := Parse(raws[0])
	if err != nil {
		return nil, err
	}
	items, err := decodeList(raws[1])
	if err != nil {
		return nil, fmt.Errorf("%w: items for task %s: %w", ErrSignature, task.Task, err)
	}
	values := make([]any, 0, len(items))
	for i, item := range items {
		v, err := call(task.Task, item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// composed runs a composition that was sent as if it were a task, as old clients do.
func (f *Follower) composed(kind Kind) Builtin {
	return func(ctx context.Context, t *message.Task, b message.Body) (any, error) {
		s := Signature{Task: t.Name, Kind: kind, Kwargs: b.Kwargs}
		if err := s.compose(0); err != nil {
			return nil, err
		}
		c := f.from(t)
		if partial := b.Kwargs["partial_args"]; !none(partial) {
			args, err := message.Elements(partial)
			if err != nil {
				return nil, fmt.Errorf("%w: partial_args: %w", ErrSignature, err)
			}
			c.args = args
		}
		if gid, ok := decodeString(b.Kwargs["group_id"]); ok && kind == KindGroup {
			s = s.option("task_id", quote(gid))
		}
		_, tuple, err := f.start(ctx, s, namer{seed: t.ID}, c)
		return tuple, postponed(err, unlockAfter)
	}
}

// cleanup removes old results, where the backend does not do so by itself.
func (f *Follower) cleanup(ctx context.Context, _ *message.Task, _ message.Body) (any, error) {
	if c, ok := f.Results.(result.Cleaner); ok {
		return nil, c.Cleanup(ctx)
	}
	return nil, nil
}

var errNotReady = errors.New("the chord's header is not done")

// unlock sends a chord's body once all of the header has a result, and asks to be tried again until then.
func (f *Follower) unlock(ctx context.Context, t *message.Task, b message.Body) (any, error) {
	if f.Results == nil {
		return nil, errNoResults
	}
	gid, body, members, err := unlockArgs(b)
	if err != nil {
		return nil, err
	}
	again := &RetryError{After: unlockAfter, Max: -1, Cause: errNotReady}
	if s, ok := decodeFloat(b.Kwargs["interval"]); ok && s > 0 && s < 1e9 {
		again.After = time.Duration(s * float64(time.Second))
	}
	if n, ok := decodeInt(b.Kwargs["max_retries"]); ok {
		again.Max = n
	}
	var failed *TaskError
	pending := false
	values, err := members.values(func(id string) (json.RawMessage, error) {
		r, err := f.Results.Get(ctx, id)
		if err != nil {
			return nil, &RetryError{After: again.After, Max: again.Max, Cause: err}
		}
		if !r.State.Ready() {
			pending = true
			return nil, again
		}
		v, err := value(r, id)
		if err != nil && failed == nil {
			errors.As(err, &failed)
		}
		return v, nil
	})
	if pending || err != nil {
		return nil, err
	}
	c := f.from(t)
	c.under, c.origin, c.parent, c.root = c.parent, c.root, "", ""
	if failed != nil {
		err = f.chordFailed(ctx, gid, body, failed, c)
	} else {
		err = f.sendBody(ctx, gid, body, values, c)
	}
	return nil, postponed(err, again.After)
}

// postponed has a builtin task tried again that has sent what it is for in part or not at all: nobody else would do it.
// What makes no sense will not make any later.
func postponed(err error, after time.Duration) error {
	if err == nil || errors.Is(err, ErrSignature) {
		return err
	}
	return &RetryError{After: after, Max: -1, Cause: err}
}

func unlockArgs(b message.Body) (gid string, body Signature, members Result, err error) {
	if len(b.Args) > 0 {
		gid, _ = decodeString(b.Args[0])
	}
	if gid == "" || len(b.Args) < 2 {
		return "", body, members, fmt.Errorf("%w: %s without a group's id and a body", ErrSignature, taskUnlock)
	}
	if body, err = Parse(b.Args[1]); err != nil {
		return "", body, members, err
	}
	tuples, err := decodeList(b.Kwargs["result"])
	if err != nil {
		return "", body, members, fmt.Errorf("%w: result: %w", ErrSignature, err)
	}
	members = Result{ID: gid, Group: true}
	for _, raw := range tuples {
		m, err := ParseResult(raw)
		if err != nil {
			return "", body, members, fmt.Errorf("%w: %w", ErrSignature, err)
		}
		members.Members = append(members.Members, m)
	}
	return gid, body, members, nil
}
