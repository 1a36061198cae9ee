package feed

import (
	"context"
	"errors"
	"testing"

	"taskbench/brokers"
)

// A sitter counts what a seat does to it.
type sitter struct {
	*Set[int]
	started, dropped int
}

func take(s *Seat[*sitter], fresh func() (*sitter, error)) (*sitter, error) {
	return s.Take(fresh, func(c *sitter) { c.started++ }, func(c *sitter) { c.dropped++ })
}

func newSitter() (*sitter, error) { return &sitter{Set: NewSet[int]()}, nil }

func TestSeatIsTakenByOne(t *testing.T) {
	var s Seat[*sitter]
	refusal := errors.New("no server")
	if c, err := take(&s, func() (*sitter, error) { return nil, refusal }); c != nil || !errors.Is(err, refusal) || s.Last() != nil {
		t.Errorf("%v has the seat, %v", c, err)
	}
	first, err := take(&s, newSitter)
	if err != nil || first.started != 1 || s.Last() != first {
		t.Fatalf("%+v got the seat, %v", first, err)
	}
	if c, err := take(&s, func() (*sitter, error) { return nil, refusal }); c != first || err != nil {
		t.Errorf("who has the seat is %v, %v", c, err)
	}
	first.Lose(errors.New("the link"))
	var slow, fast *sitter
	got, err := take(&s, func() (*sitter, error) {
		if fast, err = take(&s, newSitter); err != nil {
			t.Error(err)
		}
		slow, err = newSitter()
		return slow, err
	})
	if got != fast || err != nil || s.Last() != fast || *fast != (sitter{fast.Set, 1, 0}) {
		t.Errorf("of two at a time %+v got the seat, %v", got, err)
	}
	if slow.started != 0 || slow.dropped != 1 || !errors.Is(slow.Cause(), brokers.ErrClosed) {
		t.Errorf("the slower one is %+v, lost to %v", slow, slow.Cause())
	}
}

func TestSeatIsClosedOnce(t *testing.T) {
	var s Seat[*sitter]
	if err := s.Usable(t.Context()); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Usable(over); !brokers.Definite(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
	c, err := take(&s, newSitter)
	if err != nil {
		t.Fatal(err)
	}
	if last, first := s.Close(); last != c || !first {
		t.Errorf("closed, with %v, for the first time: %v", last, first)
	}
	if last, first := s.Close(); last != c || first {
		t.Errorf("closed again, with %v, for the first time: %v", last, first)
	}
	if err := s.Usable(over); !errors.Is(err, brokers.ErrClosed) {
		t.Errorf("a closed seat: %v", err)
	}
	c.Lose(errors.New("the link"))
	var late *sitter
	got, err := take(&s, func() (*sitter, error) {
		late, err = newSitter()
		return late, err
	})
	if got != nil || !errors.Is(err, brokers.ErrClosed) || late.started != 0 || late.dropped != 1 || !errors.Is(late.Cause(), brokers.ErrClosed) {
		t.Errorf("%v took a closed seat, %v; it is %+v", got, err, late)
	}
}
