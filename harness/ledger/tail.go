package ledger

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tail reads one evidence file while its process writes it. It goes past slots that were reserved and not yet
// committed, and comes back to them.
type tail struct {
	path   string
	head   *header
	read   uint64 // slots looked at so far
	holes  []uint64
	mapped map[uint64]*mapping

	giver *os.File        // not nil: what was read is given back to the disk
	whole map[uint64]bool // chunks that were read to their end, beyond the first that was not
}

// A mapping is one chunk; it is given up when all of its slots were read.
type mapping struct {
	page []byte
	left int
}

// errNotEvidence is about the file, and for good: there is no use in trying again.
var errNotEvidence = errors.New("not an evidence file of this version")

func openTail(path string) (*tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < headerSize {
		return nil, fmt.Errorf("%s: %w: %d bytes", path, errNotEvidence, info.Size())
	}
	page, err := unix.Mmap(int(f.Fd()), 0, headerSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	h := (*header)(unsafe.Pointer(unsafe.SliceData(page)))
	if h.magic != evidenceMagic || h.version != evidenceVersion {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, errNotEvidence), unix.Munmap(page))
	}
	return &tail{path: path, head: h, mapped: map[uint64]*mapping{}}, nil
}

// poll appends what was committed since the last poll, up to about max events, and tells whether there may be more.
func (t *tail) poll(into []Event, max int) (events []Event, more bool, err error) {
	events = into
	waiting := t.holes[:0]
	for _, n := range t.holes {
		if ev, ok := t.take(n); ok {
			events = append(events, ev)
		} else {
			waiting = append(waiting, n)
		}
	}
	t.holes = waiting
	for end := t.head.reserved.Load(); t.read < end; t.read++ {
		if len(events) >= max {
			return events, true, nil
		}
		ready, err := t.reach(t.read / chunkSlots)
		if err != nil || !ready {
			return events, false, err
		}
		if ev, ok := t.take(t.read); ok {
			events = append(events, ev)
		} else {
			t.holes = append(t.holes, t.read)
		}
	}
	return events, false, nil
}

// take reads a slot of a mapped chunk, once.
func (t *tail) take(n uint64) (Event, bool) {
	m := t.mapped[n/chunkSlots]
	c := (*chunk)(unsafe.Pointer(unsafe.SliceData(m.page)))
	ev, ok := c[n%chunkSlots].read()
	if !ok {
		return Event{}, false
	}
	ev.At += t.head.offset
	if m.left--; m.left == 0 {
		delete(t.mapped, n/chunkSlots)
		_ = unix.Munmap(m.page) // of a mapping that exists: nothing that could be done about an error
		t.giveBack(n / chunkSlots)
	}
	return ev, true
}

// giving makes the tail give the disk back what it has read, and have the writer unmap it.
func (t *tail) giving() error {
	f, err := os.OpenFile(t.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, headerSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return errors.Join(fmt.Errorf("map %s: %w", t.path, err), f.Close())
	}
	was := t.head
	t.head, t.giver, t.whole = (*header)(unsafe.Pointer(unsafe.SliceData(page))), f, map[uint64]bool{}
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(was)), headerSize))
}

// giveBack is told of a chunk that was read to its end.
func (t *tail) giveBack(k uint64) {
	if t.giver == nil {
		return
	}
	_ = punch(t.giver, headerSize+int64(k)*int64(chunkSize), int64(chunkSize)) // a file system that cannot keeps it
	t.whole[k] = true
	given := t.head.given.Load()
	for t.whole[given] {
		delete(t.whole, given)
		given++
	}
	t.head.given.Store(given)
}

// orphaned tells whether the file's writer is gone.
func (t *tail) orphaned() bool {
	return errors.Is(unix.Kill(int(t.head.pid), 0), unix.ESRCH)
}

// reach maps a chunk; ready is false as long as the file does not reach to its end.
func (t *tail) reach(k uint64) (ready bool, err error) {
	if t.mapped[k] != nil {
		return true, nil
	}
	f, err := os.Open(t.path)
	if err != nil {
		return false, fmt.Errorf("reopen evidence: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	at := headerSize + int64(k)*int64(chunkSize)
	if info.Size() < at+int64(chunkSize) {
		return false, nil
	}
	page, err := unix.Mmap(int(f.Fd()), at, chunkSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false, fmt.Errorf("map %s: %w", t.path, err)
	}
	t.mapped[k] = &mapping{page: page, left: chunkSlots}
	return true, nil
}

// unread tells, once the writer is gone, how many events it had begun and not committed, and how many were lost
// for want of room.
func (t *tail) unread() (torn, lost int) {
	lost = int(t.head.lost.Load())
	beyond := int(t.head.reserved.Load() - t.read)
	return len(t.holes) + max(0, beyond-lost), lost
}

func (t *tail) close() {
	for k, m := range t.mapped {
		delete(t.mapped, k)
		_ = unix.Munmap(m.page)
	}
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(t.head)), headerSize))
	if t.giver != nil {
		_ = t.giver.Close()
	}
}
