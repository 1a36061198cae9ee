package couchdb

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The names of documents sort as messages are to come: "q/QUEUE/URGENCY/TIME" of those that are ready, and
// "q/QUEUE/d/DUE TIME/URGENCY" of those that are delayed. Times are microseconds in sixteen hexadecimal digits, those of
// publishing with the publisher's eight behind them.
const (
	prefix  = "q/"
	delayed = "d/"
)

// escape makes the name of a queue part of a document's: what may mean something else there is a % and its number.
func escape(queue string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	var b strings.Builder
	for i := range len(queue) {
		if c := queue[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// of begins the names of a queue's documents.
func of(queue string) string { return prefix + escape(queue) + "/" }

// A place is what a document's name says.
type place struct {
	queue string // what it begins with, up to its queue's last "/"
	key   string // which sorts messages as they are to come, those that were delayed among the others by when they were due
	due   int64  // in microseconds; 0 where it is not delayed
}

// placeOf reads a name; ok is false for those that are none of ours.
func placeOf(id string) (p place, ok bool) {
	rest, ours := strings.CutPrefix(id, prefix)
	queue, rest, more := strings.Cut(rest, "/")
	if !ours || !more || rest == "" {
		return place{}, false
	}
	p = place{queue: id[:len(prefix)+len(queue)+1], key: rest}
	if rest, late := strings.CutPrefix(rest, delayed); late {
		when, urgency, more := strings.Cut(rest, "/")
		if !more || len(when) < 16 {
			return place{}, false
		}
		due, err := strconv.ParseInt(when[:16], 16, 64)
		if err != nil {
			return place{}, false
		}
		p.due, p.key = due, urgency+"/"+when
	}
	return p, true
}

// urgency is 0 for the most urgent: 9 is that of messages, and so is what is above.
func urgency(priority uint8) string { return strconv.Itoa(int(9 - min(priority, 9))) }

// ids makes names. They must differ between processes that know nothing of each other, so their end comes from no seed.
type ids struct {
	clock *clock

	mu   sync.Mutex
	last int64
	end  string
}

func newIDs(c *clock) *ids {
	var end [4]byte
	rand.Read(end[:])
	return &ids{clock: c, end: hex.EncodeToString(end[:])}
}

// next is later than all that it returned before, whatever the clocks do.
func (g *ids) next() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last+1, g.clock.time().UnixMicro())
	return micros(g.last) + g.end
}

func (g *ids) ready(queue string, priority uint8) string {
	return of(queue) + urgency(priority) + "/" + g.next()
}

// delayed is the name of what is due at a time of the server's clock.
func (g *ids) delayed(queue string, priority uint8, due time.Time) string {
	return of(queue) + delayed + micros(due.UnixMicro()) + g.next() + "/" + urgency(priority)
}

func micros(n int64) string { return fmt.Sprintf("%016x", max(n, 0)) }

// aside is the name of a message in another queue, and the same for all who ask.
func aside(id, queue string) string {
	p, _ := placeOf(id)
	return of(queue) + p.key
}

// generation is how often a document was written.
func generation(rev string) int {
	n, _, _ := strings.Cut(rev, "-")
	g, _ := strconv.Atoi(n) // what has no number counts as never
	return g
}

// isHeld tells by the revision whether a message is in somebody's hands: publishing and giving back make it odd, claiming
// even. It is a hint, which saves reading the document; what that says counts.
func isHeld(rev string) bool { return generation(rev)%2 == 0 }

// unescape is the queue whose names begin so.
func unescape(begin string) string {
	escaped := strings.TrimSuffix(strings.TrimPrefix(begin, prefix), "/")
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if c := escaped[i]; c == '%' && i+2 < len(escaped) {
			if n, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(escaped[i])
	}
	return b.String()
}
