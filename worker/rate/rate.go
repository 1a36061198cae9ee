// Package rate paces tasks: a bucket of one token, as Celery's rate limits have it, for which callers wait in the
// order in which they came.
package rate

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Limit is how many tasks may start in a second. Zero is no limit at all.
type Limit float64

// Parse reads a limit as Celery writes it: "10/s", "10/m", "10/h", a number (so many a second), and "", "0" or
// "none", which are no limit.
func Parse(s string) (Limit, error) {
	text := strings.TrimSpace(s)
	if text == "" || strings.EqualFold(text, "none") {
		return 0, nil
	}
	count, unit, given := strings.Cut(text, "/")
	per := 1.0
	switch unit {
	case "s", "":
	case "m":
		per = 60
	case "h":
		per = 3600
	default:
		return 0, fmt.Errorf("rate limit %q: want a number with /s, /m or /h", s)
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) || given && unit == "" {
		return 0, fmt.Errorf("rate limit %q: want a number with /s, /m or /h", s)
	}
	return Limit(n / per), nil
}

// String writes a limit so that Parse reads it, by the unit that keeps the number short.
func (l Limit) String() string {
	for _, u := range []struct {
		per  float64
		name string
	}{{1, "/s"}, {60, "/m"}, {3600, "/h"}} {
		if n := math.Round(float64(l)*u.per*1e6) / 1e6; n >= 1 && n == math.Trunc(n) {
			return strconv.FormatFloat(n, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(float64(l), 'g', -1, 64) + "/s"
}

// interval is the time between two tokens.
func (l Limit) interval() time.Duration {
	d := float64(time.Second) / float64(l)
	return time.Duration(min(d, float64(longest)))
}

// longest bounds an interval, so that no sum of times overflows.
const longest = 100 * 365 * 24 * time.Hour

// A Bucket holds one token, which comes back an interval after it was taken. The zero value has no limit. It is safe
// for concurrent use.
type Bucket struct {
	mu      sync.Mutex
	limit   Limit
	last    time.Time // when the last token was taken; zero: never
	waiting []*waiter // those who left are nil
	timer   *time.Timer
}

type waiter struct{ turn chan struct{} }

// Limit returns the limit in force.
func (b *Bucket) Limit() Limit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limit
}

// Set changes the limit, for those too who wait already.
func (b *Bucket) Set(l Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = l
	b.admit()
}

// Waiting is how many callers wait for the token.
func (b *Bucket) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, w := range b.waiting {
		if w != nil {
			n++
		}
	}
	return n
}

// Wait takes the token, once those who came before have had theirs. It returns the context's error, without having
// taken one, when that ends first; a token that came at the same time is then spent for nothing.
func (b *Bucket) Wait(ctx context.Context) error {
	b.mu.Lock()
	if b.limit == 0 && len(b.waiting) == 0 {
		b.mu.Unlock()
		return nil
	}
	w := &waiter{turn: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.admit()
	b.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.waiting {
		if b.waiting[i] == w {
			b.waiting[i] = nil
		}
	}
	return ctx.Err()
}

// admit lets in whose turn has come, and has itself called for the next; b.mu is held.
func (b *Bucket) admit() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	for len(b.waiting) > 0 {
		if b.waiting[0] == nil {
			b.waiting = b.waiting[1:]
			continue
		}
		if b.limit > 0 {
			if wait := b.wait(time.Now()); wait > 0 {
				b.timer = time.AfterFunc(wait, b.wake)
				return
			}
			b.last = time.Now()
		}
		close(b.waiting[0].turn)
		b.waiting = b.waiting[1:]
	}
	b.waiting = nil
}

// wait is how long it takes until the token is back.
func (b *Bucket) wait(now time.Time) time.Duration {
	if b.last.IsZero() {
		return 0
	}
	return b.last.Add(b.limit.interval()).Sub(now)
}

func (b *Bucket) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.admit()
}
