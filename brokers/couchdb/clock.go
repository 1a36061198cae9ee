package couchdb

import (
	"net/http"
	"sync"
	"time"
)

// slack is how much a server may be late in turning the second of its Date headers.
const slack = 50 * time.Millisecond

// A clock estimates the server's from the Date headers of its replies. Each is a second wide, and more replies narrow the
// estimate down, at best to the length of an exchange. Where the two clocks may be the same they are taken to be.
type clock struct {
	mu       sync.Mutex
	now      func() time.Time
	heard    bool
	low, top time.Duration // bounds of how far the server's clock is ahead
}

func newClock(now func() time.Time) *clock { return &clock{now: now} }

// hear learns from the Date of a reply, and when its request was begun.
func (c *clock) hear(date string, began time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	low, top := at.Sub(c.now()), at.Add(time.Second+slack).Sub(began)
	if c.heard {
		low, top = max(low, c.low), min(top, c.top)
	}
	if low > top { // one of the clocks was set: what was known before is worth nothing
		low, top = at.Sub(c.now()), at.Add(time.Second+slack).Sub(began)
	}
	c.heard, c.low, c.top = true, low, top
}

// ahead is how far the server's clock is ahead of ours.
func (c *clock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.low <= 0 && c.top >= 0 {
		return 0
	}
	return c.low + (c.top-c.low)/2
}

// time is the server's.
func (c *clock) time() time.Time { return c.theirs(c.read()) }

// read is our own time.
func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// theirs is a time of ours as the server's clock will show it.
func (c *clock) theirs(ours time.Time) time.Time { return ours.Add(c.ahead()) }
