package interop_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

var flows = []call{
	{"link", func(ctx context.Context, c *caller) error {
		id := newID()
		return c.reaches(ctx, canvas.Sig("lab.add", 2, 3).Link(canvas.Sig("lab.mul", 10).Set(canvas.Options{TaskID: id})), id, `50`)
	}},
	{"immutable link", func(ctx context.Context, c *caller) error {
		id := newID()
		return c.reaches(ctx, canvas.Sig("lab.add", 2, 3).Link(canvas.Sig("lab.mul", 10, 10).SI().Set(canvas.Options{TaskID: id})), id, `100`)
	}},
	{"link error", func(ctx context.Context, c *caller) error {
		failing, id := newID(), newID()
		s := canvas.Sig("lab.fail", "x").Set(canvas.Options{TaskID: failing}).
			LinkError(canvas.Sig("lab.failed").Set(canvas.Options{TaskID: id}))
		return c.reaches(ctx, s, id, fmt.Sprintf("%q", failing))
	}},
	{"chain", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chain(add(1, 2), add(4), mul(2)), `14`)
	}},
	{"long chain", func(ctx context.Context, c *caller) error {
		steps := []canvas.Signature{add(0, 1)}
		for range 30 {
			steps = append(steps, add(1))
		}
		return c.flows(ctx, canvas.Chain(steps...), `31`)
	}},
	{"chain that fails", func(ctx context.Context, c *caller) error {
		middle := newID()
		_, _, err := c.follower.Start(ctx, canvas.Chain(add(1, 1), canvas.Sig("lab.fail", "mid").SI().Set(canvas.Options{TaskID: middle}), add(1)))
		if err != nil {
			return err
		}
		return fails(ctx, c.Result(middle), nil, result.Failure, "ValueError", `["mid"]`)
	}},
	{"chain with countdown", func(ctx context.Context, c *caller) error {
		began := time.Now()
		err := c.flows(ctx, canvas.Chain(add(1, 1), add(1).Set(canvas.Options{Countdown: time.Second})), `3`)
		if err == nil && time.Since(began) < 900*time.Millisecond {
			err = errors.New("the second step came too early")
		}
		return err
	}},
	{"group", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Group(doubles(10)...), `[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]`)
	}},
	{"group of chains", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Group(canvas.Chain(add(0, 1), mul(10)), canvas.Chain(add(1, 1), mul(10))), `[10, 20]`)
	}},
	{"group kept", func(ctx context.Context, c *caller) error {
		id, tuple, err := c.follower.Start(ctx, canvas.Group(doubles(3)...))
		if err != nil {
			return err
		}
		r, err := canvas.ParseResult(tuple)
		if err != nil {
			return err
		}
		if err := r.Save(ctx, c.results); err != nil {
			return err
		}
		kept, err := c.results.Group(ctx, id)
		if err != nil {
			return err
		}
		return c.joins(ctx, kept, `[0, 2, 4]`)
	}},
	{"chord", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chord(doubles(10), canvas.Sig("lab.xsum")), `90`)
	}},
	{"wide chord", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chord(doubles(200), canvas.Sig("lab.xsum")), `39800`)
	}},
	{"chord that fails", func(ctx context.Context, c *caller) error {
		id, _, err := c.follower.Start(ctx, canvas.Chord([]canvas.Signature{add(1, 1), canvas.Sig("lab.fail", "part")}, canvas.Sig("lab.xsum")))
		if err != nil {
			return err
		}
		return fails(ctx, c.Result(id), nil, result.Failure, "ChordError", "")
	}},
	{"chord of chains", func(ctx context.Context, c *caller) error {
		header := []canvas.Signature{canvas.Chain(add(0, 1), mul(10)), canvas.Chain(add(1, 1), mul(10))}
		return c.flows(ctx, canvas.Chord(header, canvas.Sig("lab.xsum")), `30`)
	}},
	{"chord in chord", func(ctx context.Context, c *caller) error {
		inner := canvas.Chord([]canvas.Signature{add(1, 1), add(1, 2)}, canvas.Sig("lab.xsum"))
		return c.flows(ctx, canvas.Chord([]canvas.Signature{inner, add(1, 1)}, canvas.Sig("lab.xsum")), `7`)
	}},
	{"chain into group", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chain(add(1, 1), canvas.Group(add(10), mul(10))), `[12, 20]`)
	}},
	{"chain through group", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chain(add(1, 1), canvas.Group(add(10), mul(10)), canvas.Sig("lab.xsum")), `32`)
	}},
	{"map", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Map(canvas.Sig("lab.length"), []string{"a", "bb"}), `[1, 2]`)
	}},
	{"starmap", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.StarMap(canvas.Sig("lab.add"), [][]int{{1, 2}, {3, 4}}), `[3, 7]`)
	}},
	{"chunks", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chunks(canvas.Sig("lab.add"), [][]int{{0, 0}, {1, 1}, {2, 2}}, 2), `[[0, 2], [4]]`)
	}},
	{"replace", func(ctx context.Context, c *caller) error { return c.gives(ctx, `12`, "lab.swap", 3, 4) }},
	{"replace in chain", func(ctx context.Context, c *caller) error {
		return c.flows(ctx, canvas.Chain(canvas.Sig("lab.swap", 3, 4), add(1)), `13`)
	}},
}

func add(args ...any) canvas.Signature { return canvas.Sig("lab.add", args...) }
func mul(args ...any) canvas.Signature { return canvas.Sig("lab.mul", args...) }

func doubles(n int) (list []canvas.Signature) {
	for i := range n {
		list = append(list, add(i, i))
	}
	return list
}

// flows sends a workflow and compares what comes of it.
func (c *caller) flows(ctx context.Context, s canvas.Signature, want string) error {
	_, tuple, err := c.follower.Start(ctx, s)
	if err != nil {
		return err
	}
	return c.joins(ctx, tuple, want)
}

func (c *caller) joins(ctx context.Context, tuple json.RawMessage, want string) error {
	r, err := canvas.ParseResult(tuple)
	if err != nil {
		return err
	}
	got, err := r.Join(ctx, c.results)
	if err != nil {
		return err
	}
	return same(got, want)
}

// reaches sends a workflow and compares what comes of the task with the id.
func (c *caller) reaches(ctx context.Context, s canvas.Signature, id, want string) error {
	if _, _, err := c.follower.Start(ctx, s); err != nil {
		return err
	}
	return becomes(ctx, c.Result(id), nil, want)
}

// newID makes an id for a task that is looked for later.
func newID() string { return strings.ToLower(rand.Text()) }
