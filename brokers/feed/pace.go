package feed

import "time"

// How long to wait between two looks: at first; at most, by how long ago the last message came.
const (
	firstLook = 2 * time.Millisecond
	busyLook  = 5 * time.Millisecond
	calmLook  = 25 * time.Millisecond
	trickle   = 500 * time.Millisecond
)

// IdleLook is how long a Pace lets wait once IdleAfter has passed since the last message.
const (
	IdleLook  = 250 * time.Millisecond
	IdleAfter = 3 * time.Second
)

// A Pace tells how long to wait before the next look for messages, where no server tells of them: two to five
// milliseconds while they trickle in, less and less often then. NewPace makes one; it is not safe for concurrent use.
type Pace struct {
	wait time.Duration
	last time.Time
}

// NewPace returns a pace that begins as if a message had come.
func NewPace() *Pace { return &Pace{wait: firstLook, last: time.Now()} }

// Busy tells that a message came.
func (p *Pace) Busy() { p.wait, p.last = firstLook, time.Now() }

// Next is how long to wait now.
func (p *Pace) Next() time.Duration {
	wait := p.wait
	p.wait = min(2*wait, longestLook(time.Since(p.last)))
	return wait
}

func longestLook(since time.Duration) time.Duration {
	switch {
	case since < trickle:
		return busyLook
	case since < IdleAfter:
		return calmLook
	}
	return IdleLook
}
