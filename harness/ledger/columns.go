package ledger

import (
	"encoding/binary"
	"errors"
)

// blockTasks is how many tasks a frame of the history file holds.
const blockTasks = 1 << 15

// The columns of a block. Each task has one value in each of the first; each attempt one in the others.
const (
	colSeq = iota
	colDue
	colPubStart
	colPubEnd
	colPublish
	colAttempts
	colID
	colReceived
	colStarted
	colFinished
	colAcked
	colStored
	colNode
	colPID
	colFlags
	colTold // left out of a block in which no task was told of its soft limit, as in those of builds that did not know it
	columns
)

// A block is some tasks by column: values of one kind lie together and are small differences, which is what makes
// them compress. The coding of both directions is this one type.
type block struct {
	tasks int
	told  bool // it has colTold
	cols  [columns][]byte
	err   error

	// what differences are taken from
	seq uint64
	due int64
	id  uint64
	pid int64
}

var errShort = errors.New("block ends too soon")

func (b *block) put(col int, v uint64) { b.cols[col] = binary.AppendUvarint(b.cols[col], v) }

func (b *block) get(col int) uint64 {
	v, n := binary.Uvarint(b.cols[col])
	if n <= 0 {
		b.err = errShort
		b.cols[col] = nil
		return 0
	}
	b.cols[col] = b.cols[col][n:]
	return v
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// whole is a time as a record keeps it: in whole ticks, 0 only when it was 0.
func whole(ns int64) int64 {
	if ns == 0 {
		return 0
	}
	return max(ns/tick, 1) * tick
}

// putTime codes a time against one that it is close to, both whole; 0 is never and is kept apart.
func (b *block) putTime(col int, ns, near int64) {
	if ns == 0 {
		b.put(col, 0)
		return
	}
	b.put(col, zigzag((ns-near)/tick)+1)
}

func (b *block) getTime(col int, near int64) int64 {
	u := b.get(col)
	if u == 0 {
		return 0
	}
	return unzigzag(u-1)*tick + near
}

func (b *block) add(t *Task) {
	due, start := max(t.Due, 0)/tick*tick, whole(t.PublishStart)
	b.put(colSeq, t.Seq-b.seq)
	b.putDue(due)
	b.seq = t.Seq + 1
	b.putTime(colPubStart, start, due)
	b.putTime(colPubEnd, whole(t.PublishEnd), start)
	b.put(colPublish, uint64(t.Publish)|uint64(t.Terms)<<termsShift)
	b.put(colAttempts, uint64(len(t.Attempts)))
	for i := range t.Attempts {
		b.addAttempt(&t.Attempts[i], start)
	}
	b.tasks++
}

func (b *block) addAttempt(a *Attempt, published int64) {
	received, started, finished := whole(a.Received), whole(a.Started), whole(a.Finished)
	b.put(colID, zigzag(int64(a.ID-b.id)))
	b.put(colPID, zigzag(int64(a.PID)-b.pid))
	b.put(colNode, uint64(a.Node))
	flags := uint64(a.Outcome)
	if a.Returned {
		flags |= hasReturned
	}
	if a.Malformed {
		flags |= hasMalformed
	}
	b.put(colFlags, flags)
	b.putTime(colReceived, received, published)
	b.putTime(colStarted, started, received)
	b.putTime(colFinished, finished, started)
	b.putTime(colAcked, whole(a.Acked), finished)
	b.putTime(colStored, whole(a.Stored), finished)
	b.putTime(colTold, whole(a.Told), started)
	b.told = b.told || a.Told != 0
	b.id, b.pid = a.ID, int64(a.PID)
}

func (b *block) putDue(due int64) {
	b.put(colDue, zigzag((due-b.due)/tick))
	b.due = due
}

// next decodes one task into t, whose Attempts it uses again; b.err tells whether that went well.
func (b *block) next(t *Task) {
	*t = Task{Attempts: t.Attempts[:0]}
	t.Seq = b.seq + b.get(colSeq)
	t.Due = unzigzag(b.get(colDue))*tick + b.due
	b.seq, b.due = t.Seq+1, t.Due
	t.PublishStart = b.getTime(colPubStart, t.Due)
	t.PublishEnd = b.getTime(colPubEnd, t.PublishStart)
	published := b.get(colPublish)
	t.Publish, t.Terms = PublishOutcome(published&publishBits), uint8(published>>termsShift)&MaxTerms
	for n := b.get(colAttempts); n > 0 && b.err == nil; n-- {
		t.Attempts = append(t.Attempts, b.nextAttempt(t.PublishStart))
	}
}

func (b *block) nextAttempt(published int64) Attempt {
	a := Attempt{ID: b.id + uint64(unzigzag(b.get(colID)))}
	a.PID = uint32(b.pid + unzigzag(b.get(colPID)))
	a.Node = uint16(b.get(colNode))
	flags := b.get(colFlags)
	a.Outcome = Outcome(flags & outcomeBits)
	a.Returned, a.Malformed = flags&hasReturned != 0, flags&hasMalformed != 0
	a.Received = b.getTime(colReceived, published)
	a.Started = b.getTime(colStarted, a.Received)
	a.Finished = b.getTime(colFinished, a.Started)
	a.Acked = b.getTime(colAcked, a.Finished)
	a.Stored = b.getTime(colStored, a.Finished)
	if b.told {
		a.Told = b.getTime(colTold, a.Started)
	}
	b.id, b.pid = a.ID, int64(a.PID)
	return a
}

// encode is the block as a frame's payload.
func (b *block) encode() []byte {
	out := binary.AppendUvarint(nil, uint64(b.tasks))
	for i, c := range b.cols {
		if i == colTold && !b.told {
			break
		}
		out = binary.AppendUvarint(out, uint64(len(c)))
		out = append(out, c...)
	}
	return out
}

func decodeBlock(p []byte) (*block, error) {
	n, used := binary.Uvarint(p)
	if used <= 0 || n > blockTasks {
		return nil, errShort
	}
	b := &block{tasks: int(n)}
	p = p[used:]
	for i := range b.cols {
		if i == colTold && len(p) == 0 {
			return b, nil
		}
		n, used := binary.Uvarint(p)
		if used <= 0 || n > uint64(len(p)-used) {
			return nil, errShort
		}
		b.cols[i], p = p[used:used+int(n)], p[used+int(n):]
	}
	b.told = true
	return b, nil
}

func (b *block) reset() {
	cols := b.cols
	*b = block{}
	for i := range cols {
		b.cols[i] = cols[i][:0]
	}
}
