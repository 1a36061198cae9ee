// Package beattest holds every lock of a beat to its contract.
package beattest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/worker/beat"
)

// lease is short enough for a test to wait for its end, and long enough for a machine that is busy.
const lease = 700 * time.Millisecond

// Lock tests a kind of lock. Each call of open makes one of a new process, all of the same name; they are closed by
// whoever opened them.
func Lock(t *testing.T, open func(t *testing.T) beat.Lock) {
	ctx := t.Context()
	a, b := open(t), open(t)
	first := acquire(t, a)
	if again := acquire(t, a); again != first {
		t.Errorf("prolonged, it is tenure %d and was %d", again, first)
	}
	refused(t, b)

	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	marks := []beat.Mark{
		{Name: "one", Schedule: "every 1s", Last: at, Claim: at.Add(time.Nanosecond), Runs: 7},
		{Name: "two", Schedule: "0 0 * * *", Last: at, Done: true},
		{Name: "odd 'name\" größe", Schedule: "every 1s", Last: at},
	}
	write(t, a, first, marks...)
	recalls(t, b, marks...)
	marks[0].Claim, marks[0].Last, marks[0].Runs = time.Time{}, at.Add(time.Second), 8
	write(t, a, first, marks[0], beat.Mark{Name: "two"})
	recalls(t, b, marks[0], marks[2])
	if err := b.Write(ctx, first, []beat.Mark{{Name: "thief", Last: at}}); !errors.Is(err, beat.ErrLost) {
		t.Errorf("written without the lock: %v", err)
	}

	second := takes(t, b)
	if second == first {
		t.Errorf("tenure %d again", second)
	}
	if err := a.Write(ctx, first, []beat.Mark{{Name: "late", Last: at}}); !errors.Is(err, beat.ErrLost) {
		t.Errorf("written after the lease: %v", err)
	}
	refused(t, a)
	if err := a.Release(ctx); err != nil {
		t.Errorf("to give up what is lost already: %v", err)
	}
	write(t, b, second, marks[0])

	if err := b.Release(ctx); err != nil {
		t.Fatal(err)
	}
	third := acquire(t, a) // at once
	if third == second || third == first {
		t.Errorf("tenure %d again", third)
	}
	if err := a.Write(ctx, first, []beat.Mark{{Name: "of old", Last: at}}); !errors.Is(err, beat.ErrLost) {
		t.Errorf("written for a tenure that has ended: %v", err)
	}
	recalls(t, a, marks[0], marks[2])

	many := make([]beat.Mark, 2500)
	for i := range many {
		many[i] = beat.Mark{Name: strings.Repeat("x", i%50) + time.Duration(i).String(), Schedule: "every 1s", Last: at}
	}
	acquire(t, a)
	for part := range slices.Chunk(many, 500) {
		write(t, a, third, part...)
		acquire(t, a)
	}
	if got, err := a.Recall(ctx); err != nil || len(got) != len(many)+2 {
		t.Errorf("%d marks, %v, want %d", len(got), err, len(many)+2)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.Acquire(over, lease); err == nil {
		t.Error("acquired under a context that has ended")
	}
}

func acquire(t *testing.T, l beat.Lock) int64 {
	t.Helper()
	n, err := l.Acquire(t.Context(), lease)
	if err != nil || n <= 0 {
		t.Fatalf("acquired as tenure %d, %v", n, err)
	}
	return n
}

func refused(t *testing.T, l beat.Lock) {
	t.Helper()
	var held beat.HeldError
	if n, err := l.Acquire(t.Context(), lease); !errors.As(err, &held) || held.By == "" {
		t.Fatalf("acquired as tenure %d, %v, want that it is held and by whom", n, err)
	}
}

// takes waits for the lock, of which nobody takes care any more.
func takes(t *testing.T, l beat.Lock) int64 {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(lease / 20)
	defer tick.Stop()
	for range tick.C {
		n, err := l.Acquire(t.Context(), lease)
		if err == nil {
			return n
		}
		if time.Since(began) > 10*lease {
			t.Fatalf("not free after %s: %v", time.Since(began), err)
		}
	}
	return 0
}

func write(t *testing.T, l beat.Lock, tenure int64, marks ...beat.Mark) {
	t.Helper()
	if err := l.Write(t.Context(), tenure, marks); err != nil {
		t.Fatal(err)
	}
}

func recalls(t *testing.T, l beat.Lock, want ...beat.Mark) {
	t.Helper()
	got, err := l.Recall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := func(a, b beat.Mark) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(got, byName)
	want = slices.Clone(want)
	slices.SortFunc(want, byName)
	if !slices.Equal(got, want) {
		t.Errorf("recalled\n %+v, want\n %+v", got, want)
	}
}
