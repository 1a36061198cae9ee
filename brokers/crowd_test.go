package brokers

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// house is a server with so many places, one of them taken by somebody else.
type house struct{ places, inside int }

func (h *house) Close() error { h.inside--; return nil }

var (
	errFull = errors.New("too many clients")
	errDown = errors.New("nobody listens")
)

func (h *house) dial(context.Context, string) (io.Closer, error) {
	switch {
	case h.places < 0:
		return nil, errDown
	case h.inside == h.places:
		return nil, errFull
	}
	h.inside++
	return h, nil
}

func TestCrowd(t *testing.T) {
	for name, c := range map[string]struct {
		places, inside int // at the limit
		said, fails    string
	}{
		"full":       {places: 7, inside: 7, said: "6 idle clients"},
		"bottomless": {places: mostCrowd + 2, fails: "not within reach"},
		"down":       {places: -1, fails: "connect idle client 1: nobody listens"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &house{places: c.places, inside: 1}
			l := Crowd(h.dial, func(err error) bool { return errors.Is(err, errFull) })
			said, restore, err := l.Reach(t.Context(), Console{}, "")
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || h.inside != 1 {
					t.Errorf("error %v, and %d are inside", err, h.inside)
				}
				return
			}
			if err != nil || h.inside != c.inside || !strings.Contains(said, c.said) || l.Name != LimitConnections {
				t.Fatalf("%q, %v; %d are inside", said, err, h.inside)
			}
			if err := restore(t.Context()); err != nil || h.inside != 1 {
				t.Errorf("given back: %v, and %d are inside", err, h.inside)
			}
		})
	}
}
