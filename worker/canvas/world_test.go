package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A world is a broker and one worker at a time in this process: real messages, a real Follower.
type world struct {
	f       *Follower
	results *memory
	tasks   func(name string, args []json.RawMessage) (any, error)

	queue []brokers.Message // in flight
	sent  []brokers.Message // all that were ever published

	rng    *rand.Rand // nil: first in, first out, and nothing goes wrong
	lives  int        // how often a worker may die; 0 is also that nothing is handed out twice
	deaths int        // how often it still may
	twice  int        // how many messages were handed out twice

	deepFirst bool // without rng: tasks that a task has sent come before those of the client

	calls     map[string]int // by name and arguments
	unguarded bool           // bodies are not asked for with Resume
}

func newWorld() *world {
	w := &world{results: newMemory(), tasks: lab, calls: map[string]int{}}
	w.results.crash = w.crash
	w.f = &Follower{Publisher: w, Results: w.results}
	return w
}

func (w *world) crash() error {
	if w.rng == nil || w.deaths == 0 || w.rng.IntN(12) > 0 {
		return nil
	}
	w.deaths--
	return errCrash
}

func (w *world) Publish(_ context.Context, m brokers.Message) error {
	if err := w.crash(); err != nil {
		return err
	}
	w.queue = append(w.queue, m)
	w.sent = append(w.sent, m)
	return w.crash()
}

// start sends a workflow and repeats after a death, which only a task with ids of its own could.
func (w *world) start(s Signature) (string, json.RawMessage, error) {
	for {
		id, tuple, err := w.f.start(context.Background(), s, namer{seed: "start"}, call{})
		if !errors.Is(err, errCrash) {
			return id, tuple, err
		}
	}
}

// run works until nothing is in flight.
func (w *world) run() error {
	for steps := 0; len(w.queue) > 0; steps++ {
		if steps > 200_000 {
			return errors.New("it never ends")
		}
		i := 0
		if w.deepFirst {
			i = max(0, slices.IndexFunc(w.queue, func(m brokers.Message) bool { return m.Headers["parent_id"] != nil }))
		}
		if w.rng != nil {
			i = w.rng.IntN(len(w.queue))
			if w.lives > 0 && w.rng.IntN(10) == 0 && steps < 5000 { // the broker hands it out twice
				w.twice++
				w.queue = append(w.queue, w.queue[i])
			}
		}
		m := w.queue[i]
		w.queue = append(w.queue[:i], w.queue[i+1:]...)
		switch err := w.deliver(m); {
		case errors.Is(err, errCrash):
			w.queue = append(w.queue, m)
		case err != nil:
			return err
		}
	}
	return nil
}

// deliver is what a worker does with one message, acknowledged late. Its order is the seams' order.
func (w *world) deliver(m brokers.Message) error {
	ctx := context.Background()
	t, err := message.Read(m)
	if err != nil {
		return err
	}
	body, err := t.Body()
	if err != nil {
		return err
	}
	if !w.unguarded {
		if done, err := w.f.Resume(ctx, &t, body); done || err != nil {
			return err
		}
	}
	v, err := w.call(ctx, &t, body)
	var again *RetryError
	switch with, replaced := AsReplace(err); {
	case replaced:
		return w.f.Replace(ctx, &t, body, with)
	case errors.As(err, &again):
		return w.Publish(ctx, m)
	case errors.Is(err, errCrash):
		return err
	case err != nil:
		x := result.FromError(err)
		if err := w.f.Results.Store(ctx, result.Record{TaskID: t.ID, State: result.Failure, Exception: x}); err != nil {
			return err
		}
		return w.f.Failed(ctx, &t, body, x)
	}
	raw, err := message.Encode(v)
	if err != nil {
		return err
	}
	children, err := w.f.Succeeded(ctx, &t, body, raw)
	if err != nil {
		return err
	}
	r := result.Record{TaskID: t.ID, State: result.Success, Value: raw, Children: children}
	if err := w.f.Results.Store(ctx, r); err != nil {
		return err
	}
	return w.f.Stored(ctx, &t, body, r)
}

func (w *world) call(ctx context.Context, t *message.Task, body message.Body) (any, error) {
	local := Local(func(_ context.Context, task string, args []json.RawMessage) (any, error) { return w.do(task, args) })
	for _, builtins := range []map[string]Builtin{local, Builtins(w.f)} {
		if b, ok := builtins[t.Name]; ok {
			return b(ctx, t, body)
		}
	}
	return w.do(t.Name, body.Args)
}

func (w *world) do(task string, args []json.RawMessage) (any, error) {
	w.calls[called(task, args)]++
	return w.tasks(task, args)
}

// called names a call; spaces are no part of a value.
func called(task string, args []json.RawMessage) string {
	return task + strings.ReplaceAll(string(appendList(nil, args)), " ", "")
}

// digest is a task whose result tells what it was called with.
func digest(task string, args []json.RawMessage) (any, error) {
	h := fnv.New32a()
	h.Write([]byte(called(task, args)))
	return int64(h.Sum32()), nil
}

// lab are the tasks that the captured workflows use.
func lab(task string, args []json.RawMessage) (any, error) {
	n := make([]int64, 0, len(args))
	for _, a := range args {
		v, _ := message.Decode(a)
		if i, ok := v.(int64); ok {
			n = append(n, i)
		}
		if list, ok := v.([]any); ok {
			for _, item := range list {
				n = append(n, item.(int64))
			}
		}
	}
	switch task {
	case "lab.add":
		return n[0] + n[1], nil
	case "lab.mul":
		return n[0] * n[1], nil
	case "lab.xsum":
		sum := int64(0)
		for _, i := range n {
			sum += i
		}
		return sum, nil
	case "lab.fail":
		text, _ := decodeString(args[0])
		return nil, result.NewException("builtins", "ValueError", text)
	case "lab.onerr", "lab.onerrold":
		return nil, nil
	}
	return nil, fmt.Errorf("there is no task %s", task)
}
