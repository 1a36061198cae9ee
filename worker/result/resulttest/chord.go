package resulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"taskbench/worker/result"
)

func chordClauses() []Clause {
	return []Clause{
		{Name: "groups", Why: "a client comes back for a group by its id", Needs: []string{Groups}, Check: groups},
		{Name: "chord-once", Why: "a chord's body must run exactly once, though the last two parts come together", Needs: []string{Counter}, Check: once},
		{Name: "chord-again", Why: "parts are reported again by tasks that are delivered twice", Needs: []string{Counter}, Check: again},
		{Name: "chord-changed", Why: "a task that runs twice may come to another result, and is still one part", Needs: []string{Counter}, Check: changed},
		{Name: "chord-unplaced", Why: "not every member knows its place", Needs: []string{Counter}, Check: unplaced},
	}
}

func groups(ctx context.Context, e *Env) error {
	b := e.Backend.(result.Groups)
	id, tuple := e.id("group"), `[["g", null], [[["a", null], null]]]`
	if _, err := b.Group(ctx, id); !errors.Is(err, result.ErrNoGroup) {
		return fmt.Errorf("a group that nobody saved: %w", err)
	}
	if err := b.SaveGroup(ctx, id, []byte(tuple)); err != nil {
		return err
	}
	got, err := b.Group(ctx, id)
	if err == nil && !sameJSON(got, []byte(tuple)) {
		err = fmt.Errorf("group %s, want %s", got, tuple)
	}
	return err
}

func part(group string, i int) result.Part {
	return result.Part{Group: group, Index: i, TaskID: fmt.Sprintf("%s-task-%d", group, i), State: result.Success, Value: []byte(fmt.Sprint(i * i))}
}

func once(ctx context.Context, e *Env) error {
	const parts = 60
	other, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	counters := []result.Counter{e.Backend.(result.Counter), other.(result.Counter)}
	for round := range 5 {
		group := e.id(fmt.Sprint("chord", round))
		if err := counters[0].Expect(ctx, group, parts); err != nil {
			return err
		}
		var mu sync.Mutex
		var wholes [][]result.Part
		var errs []error
		var all sync.WaitGroup
		for i := range parts {
			all.Go(func() {
				whole, err := counters[i%2].Report(ctx, part(group, i))
				mu.Lock()
				defer mu.Unlock()
				if errs = append(errs, err); whole != nil {
					wholes = append(wholes, whole)
				}
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if len(wholes) != 1 {
			return fmt.Errorf("%d callers were told that the chord is whole", len(wholes))
		}
		if err := inOrder(wholes[0], group, parts); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(got []result.Part, group string, n int) error {
	if len(got) != n {
		return fmt.Errorf("%d parts of %d", len(got), n)
	}
	for i, p := range got {
		want := part(group, i)
		if p.Index != i || p.TaskID != want.TaskID || p.State != want.State || string(p.Value) != string(want.Value) || p.Group != group {
			return fmt.Errorf("part %d is %+v, want %+v", i, p, want)
		}
	}
	return nil
}

func again(ctx context.Context, e *Env) error {
	b, group := e.Backend.(result.Counter), e.id("chord")
	if err := b.Expect(ctx, group, 3); err != nil {
		return err
	}
	for _, i := range []int{0, 2, 0, 2, 2} {
		if whole, err := b.Report(ctx, part(group, i)); err != nil || whole != nil {
			return fmt.Errorf("two of three parts, reported again and again: %v, %w", whole, err)
		}
	}
	for range 2 { // the second time because the first answer may have been lost
		whole, err := b.Report(ctx, part(group, 1))
		if err != nil {
			return err
		}
		if err := inOrder(whole, group, 3); err != nil {
			return err
		}
	}
	if whole, err := b.Report(ctx, part(group, 0)); err != nil || whole != nil {
		return fmt.Errorf("another part reported again after the last: %v, %w", whole, err)
	}
	if err := b.Done(ctx, group); err != nil {
		return err
	}
	whole, err := b.Report(ctx, part(group, 1))
	if err == nil && whole != nil {
		err = errors.New("the last part reported after Done is told that the chord is whole")
	}
	return err
}

func changed(ctx context.Context, e *Env) error {
	b, group := e.Backend.(result.Counter), e.id("chord")
	if err := b.Expect(ctx, group, 3); err != nil {
		return err
	}
	failed := part(group, 1)
	failed.State, failed.Value = result.Failure, result.NewException(result.Builtins, "ValueError", "in chord").Encode()
	other := part(group, 0)
	other.Value = []byte(`"another"`)
	for _, p := range []result.Part{part(group, 0), other, failed, part(group, 1)} {
		if whole, err := b.Report(ctx, p); err != nil || whole != nil {
			return fmt.Errorf("two tasks of three: %v, %w", whole, err)
		}
	}
	whole, err := b.Report(ctx, part(group, 2))
	if err != nil {
		return err
	}
	return inOrder(whole, group, 3)
}

func unplaced(ctx context.Context, e *Env) error {
	b, group := e.Backend.(result.Counter), e.id("chord")
	if err := b.Expect(ctx, group, 2); err != nil {
		return err
	}
	p := part(group, 0)
	p.Index = -1
	q := part(group, 1)
	q.Index, q.State, q.Value = -1, result.Failure, result.NewException(result.Builtins, "ValueError", "x").Encode()
	if whole, err := b.Report(ctx, p); err != nil || whole != nil {
		return fmt.Errorf("one of two: %v, %w", whole, err)
	}
	whole, err := b.Report(ctx, q)
	if err != nil {
		return err
	}
	if len(whole) != 2 || whole[0].Index >= 0 || whole[1].Index >= 0 {
		return fmt.Errorf("parts %+v", whole)
	}
	for _, got := range whole {
		if got.TaskID == q.TaskID && (got.State != result.Failure || !sameJSON(got.Value, q.Value)) {
			return fmt.Errorf("part %+v, want %+v", got, q)
		}
	}
	return nil
}
