package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// ErrNoResults is returned when results are asked of a client that was made without WithResults.
var ErrNoResults = errors.New("this client has no result backend: make it with WithResults")

// An AsyncResult is what becomes of one task.
type AsyncResult struct {
	ID      string
	results result.Backend
}

// State is where the task stands now: result.Pending when nothing is known of it, which it also is when it was never
// sent, and when its result is forgotten or has expired.
func (r *AsyncResult) State(ctx context.Context) (result.State, error) {
	record, err := r.Record(ctx)
	return record.State, err
}

// Ready tells whether the task is done, in one way or another.
func (r *AsyncResult) Ready(ctx context.Context) (bool, error) {
	state, err := r.State(ctx)
	return state.Ready(), err
}

// Record is all that is known now.
func (r *AsyncResult) Record(ctx context.Context) (result.Record, error) {
	if r.results == nil {
		return result.Record{}, ErrNoResults
	}
	return r.results.Get(ctx, r.ID)
}

// Get waits until the task is done, and decodes what it returned into a pointer as message.Unmarshal does; nil leaves
// it. When the task failed or was revoked, the error is or wraps its *result.Exception. When ctx ends, the error is its.
func (r *AsyncResult) Get(ctx context.Context, into any) error {
	if r.results == nil {
		return ErrNoResults
	}
	record, err := r.results.Wait(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("get result of task %s: %w", r.ID, err)
	}
	if record.State != result.Success {
		x := record.Exception
		if x == nil {
			x = result.NewException(result.Builtins, "Exception")
		}
		return fmt.Errorf("task %s ended as %s: %w", r.ID, record.State, x)
	}
	if into == nil {
		return nil
	}
	if err := message.Unmarshal(record.Value, into); err != nil {
		return fmt.Errorf("decode result of task %s: %w", r.ID, err)
	}
	return nil
}

// Forget removes what is stored of the task.
func (r *AsyncResult) Forget(ctx context.Context) error {
	if r.results == nil {
		return ErrNoResults
	}
	return r.results.Forget(ctx, r.ID)
}

// Children are the results of the tasks that this one sent, those of its workflow among them. A task that is not done
// has none yet. Groups among them are taken apart into their members.
func (r *AsyncResult) Children(ctx context.Context) ([]*AsyncResult, error) {
	record, err := r.Record(ctx)
	if err != nil {
		return nil, err
	}
	var all []*AsyncResult
	for i, tuple := range record.Children {
		if all, err = r.leaves(all, tuple, 0); err != nil {
			return nil, fmt.Errorf("child %d of task %s: %w", i, r.ID, err)
		}
	}
	return all, nil
}

// leaves adds the tasks of a tuple [[id, parent], members or null].
func (r *AsyncResult) leaves(all []*AsyncResult, tuple json.RawMessage, depth int) ([]*AsyncResult, error) {
	parts, err := message.Elements(tuple)
	if err != nil {
		return nil, err
	}
	if len(parts) != 2 || depth > 100 {
		return nil, fmt.Errorf("%.100s is no result", tuple)
	}
	members, err := message.Elements(parts[1])
	if err != nil {
		return nil, err
	}
	if string(parts[1]) != "null" {
		for _, m := range members {
			if all, err = r.leaves(all, m, depth+1); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	var id string
	head := parts[0]
	if pair, err := message.Elements(head); err == nil && len(pair) > 0 {
		head = pair[0]
	}
	if err := message.Unmarshal(head, &id); err != nil {
		return nil, fmt.Errorf("%.100s is no result: %w", tuple, err)
	}
	return append(all, &AsyncResult{ID: id, results: r.results}), nil
}
