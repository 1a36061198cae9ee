package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	evidenceSuffix  = ".evidence"
	evidenceMagic   = 0x3163_6e65_6469_7665 // "evidenc1" on a little-endian host
	evidenceVersion = 1
	headerSize      = 4096
	chunkSlots      = 2048
	chunkSize       = chunkSlots * int(unsafe.Sizeof(slot{}))
)

// A slot is one event: task, attempt, time, and a last word whose kind is the commit mark.
type slot [4]atomic.Uint64

type chunk [chunkSlots]slot

// header is the first page of an evidence file. The counters are shared with the Collector's mapping of it.
type header struct {
	magic    uint64
	version  uint32
	pid      uint32
	offset   int64 // to add to times, for hosts or namespaces whose clock has another origin
	node     uint16
	nameLen  uint16
	_        uint32
	reserved atomic.Uint64 // slots given to writers
	lost     atomic.Uint64 // of these, slots for which there was no room
	name     [256]byte
	given    atomic.Uint64 // chunks from the first on that the Collector has read and given back to the disk
}

// A window is the part of a file that is mapped: chunks from the first on.
type window struct {
	first  uint64
	chunks []*chunk
}

// Evidence is where one worker process writes what happens in it. Events reach a memory mapped file, so that they
// survive the process's SIGKILL, and cost no system call. All methods are safe for concurrent use.
type Evidence struct {
	node   uint16
	pid    uint32
	head   *header
	mapped atomic.Pointer[window]
	failed atomic.Bool

	mu     sync.Mutex // of growth
	path   string
	file   *os.File
	err    error
	notify func(error)
}

// OpenEvidence creates an evidence file of its own in dir, which must exist. Node names the node that the process
// belongs to, and nodeIndex is its place in Meta.Nodes.
func OpenEvidence(dir, node string, nodeIndex uint16) (*Evidence, error) {
	if node == "" || strings.ContainsAny(node, "/\x00") || len(node) > len(header{}.name) {
		return nil, fmt.Errorf("open evidence in %s: %q is no node name", dir, node)
	}
	e := &Evidence{node: nodeIndex, pid: uint32(os.Getpid())}
	// Made under another name first: the Collector never sees half a header.
	f, err := os.CreateTemp(dir, "."+node+"-*")
	if err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	e.file = f
	if err := e.begin(node); err != nil {
		return nil, errors.Join(fmt.Errorf("open evidence in %s: %w", dir, err), f.Close(), os.Remove(f.Name()))
	}
	e.path = filepath.Join(dir, fmt.Sprintf("%s-%d-%d%s", node, e.pid, Now(), evidenceSuffix))
	if err := os.Rename(f.Name(), e.path); err != nil {
		return nil, errors.Join(fmt.Errorf("open evidence: %w", err), f.Close(), os.Remove(f.Name()))
	}
	return e, nil
}

func (e *Evidence) begin(node string) error {
	e.mapped.Store(&window{})
	if err := reserve(e.file, 0, headerSize); err != nil {
		return err
	}
	page, err := unix.Mmap(int(e.file.Fd()), 0, headerSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	h := (*header)(unsafe.Pointer(unsafe.SliceData(page)))
	h.magic, h.version, h.pid, h.node = evidenceMagic, evidenceVersion, e.pid, e.node
	h.nameLen = uint16(copy(h.name[:], node))
	e.head = h
	if e.grow(0) == nil {
		return e.err
	}
	return nil
}

// Write keeps one event. The node is the file's; a PID of 0 becomes this process's, an At of 0 becomes Now. An
// event for which the disk has no room is counted by Lost and by the file's header, and told to Notify once.
func (e *Evidence) Write(ev Event) {
	if ev.PID == 0 {
		ev.PID = e.pid
	}
	if ev.At == 0 {
		ev.At = Now()
	}
	n := e.head.reserved.Add(1) - 1
	k, i := n/chunkSlots, n%chunkSlots
	c := e.chunk(k)
	if c == nil {
		e.head.lost.Add(1)
		return
	}
	s := &c[i]
	s[0].Store(ev.Task)
	s[1].Store(ev.Attempt)
	s[2].Store(uint64(ev.At))
	s[3].Store(uint64(ev.PID) | uint64(e.node)<<32 | uint64(ev.Kind)<<48 | uint64(ev.Outcome)<<56)
	if i == chunkSlots/2 {
		e.chunk(k + 1) // before anybody has to wait for it
	}
}

func (s *slot) read() (Event, bool) {
	last := s[3].Load()
	ev := Event{PID: uint32(last), Node: uint16(last >> 32), Kind: Kind(last >> 48), Outcome: Outcome(last >> 56)}
	if ev.Kind == 0 {
		return Event{}, false
	}
	ev.Task, ev.Attempt, ev.At = s[0].Load(), s[1].Load(), int64(s[2].Load())
	return ev, true
}

func (e *Evidence) chunk(k uint64) *chunk {
	if w := e.mapped.Load(); k < w.first+uint64(len(w.chunks)) {
		return w.chunks[k-w.first]
	}
	if e.failed.Load() {
		return nil
	}
	return e.grow(k)
}

// grow reserves and maps chunks up to the k-th. The space is reserved on disk first: a store to a mapped page that
// the disk has no room for would be SIGBUS. Chunks that the Collector has given back are unmapped: it has seen every slot
// of theirs committed, so that nobody is about to write there.
func (e *Evidence) grow(k uint64) *chunk {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := *e.mapped.Load()
	for w.first+uint64(len(w.chunks)) <= k && e.err == nil {
		at := headerSize + int64(w.first+uint64(len(w.chunks)))*int64(chunkSize)
		err := reserve(e.file, at, int64(chunkSize))
		var page []byte
		if err == nil {
			page, err = unix.Mmap(int(e.file.Fd()), at, chunkSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		}
		if err != nil {
			e.err = fmt.Errorf("grow evidence file %s to %d KiB: %w", e.path, (at+int64(chunkSize))>>10, err)
			e.failed.Store(true)
			if e.notify != nil {
				e.notify(e.err)
			}
			return nil
		}
		given := min(max(e.head.given.Load(), w.first)-w.first, uint64(len(w.chunks)))
		old := w.chunks[:given]
		// A copy, since writers read the old window without a lock.
		chunks := append(w.chunks[given:len(w.chunks):len(w.chunks)], (*chunk)(unsafe.Pointer(unsafe.SliceData(page))))
		w = window{first: w.first + given, chunks: chunks}
		e.mapped.Store(&window{first: w.first, chunks: w.chunks})
		for _, c := range old {
			_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(c)), chunkSize)) // of a mapping that exists
		}
	}
	if e.err != nil {
		return nil
	}
	return w.chunks[k-w.first]
}

// Notify has f called once, with the error that made the first event get lost. F must not use the Evidence.
func (e *Evidence) Notify(f func(error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify = f
	if e.err != nil && f != nil {
		f(e.err)
	}
}

// Lost is the number of events that found no room.
func (e *Evidence) Lost() uint64 { return e.head.lost.Load() }

// Err is the error that stopped the file from growing, nil as long as nothing did.
func (e *Evidence) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Close ends growth; what was written stays. Late events still find the room that is left, so that a goroutine
// that outlives Close does no harm. A second call does nothing.
func (e *Evidence) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close evidence file: %w", err)
	}
	return nil
}
