package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"taskbench/brokers"
)

// A Turn is held while an action is done to a node: one at a time, and a caller whose context ends does not
// wait for it. Make it with NewTurn.
type Turn chan struct{}

// NewTurn returns a turn that is free.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn; give it back with Give unless there was an error.
func (t Turn) Take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Give frees the turn.
func (t Turn) Give() { <-t }

// Do is Node.Do for a node whose actions take this turn: what the node cannot do is refused at once, act is called
// with the turn held, and an error says which action was being done to which node.
func (t Turn) Do(ctx context.Context, n Node, a Action, act func(context.Context, Action) error) error {
	do := func() error {
		if why := n.Can(a); why != "" {
			return errors.New(why)
		}
		if err := t.Take(ctx); err != nil {
			return err
		}
		defer t.Give()
		return act(ctx, a)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", a, n.Info().Name, err)
	}
	return nil
}

// Settings returns a copy of the variant's settings to which a lab may add its own.
func Settings(v brokers.Variant) map[string]string {
	s := maps.Clone(v.Settings)
	if s == nil {
		s = make(map[string]string)
	}
	return s
}

// Addr is the address of a port on this machine.
func Addr(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
