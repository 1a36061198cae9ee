package mongodb

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ids makes the names of documents, in the order in which messages are to come: seconds as in every ObjectID, then the
// fraction of the second, then four bytes that tell brokers apart. Those that the library makes have no order within a
// second. They must differ between processes that know nothing of each other, so their end comes from no seed.
type ids struct {
	mu   sync.Mutex
	last uint64
	end  [4]byte
}

func newIDs() *ids {
	g := &ids{}
	rand.Read(g.end[:])
	return g
}

// next is later than all that it returned before, whatever the clock does.
func (g *ids) next() bson.ObjectID {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last+1, moment(time.Now()))
	return g.id(g.last)
}

// at is the name of what is to come at a time. Many may be due at the same, and their order is left to chance: the last
// six bytes, which makes equal ones improbable among millions.
func (g *ids) at(t time.Time) bson.ObjectID {
	id := g.id(moment(t))
	rand.Read(id[6:])
	return id
}

func (g *ids) id(m uint64) (id bson.ObjectID) {
	binary.BigEndian.PutUint64(id[:8], m)
	copy(id[8:], g.end[:])
	return id
}

// moment is a time in units of 2^-32 seconds since 1970. Times before that, and after 2106, are those ends.
func moment(t time.Time) uint64 {
	switch s := t.Unix(); {
	case s < 0:
		return 0
	case s >= 1<<32:
		return 1<<64 - 1
	default:
		return uint64(s)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
	}
}
