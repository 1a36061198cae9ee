package pool

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A note is memory that a child shares with its parent, one for each seat: what it says there costs no system call,
// and is known to the parent after the child's death. A seat's jobs are numbered from 1 by the parent.
type note struct {
	taken   atomic.Uint64 // the last job that the child has read
	decided atomic.Uint64 // the last job whose outcome is decided: by the child, by its end, or before that by the parent
	ended   atomic.Uint64 // the last job that ran to its end, shifted left by 8, and its Status, with withValue
	after   atomic.Int64  // that job's Result.After
}

// withValue marks a Status in a note: the task returned something that the note does not hold.
const withValue = 0x80

// decide is called by whoever wants to say how a job ended; true says that nobody has before.
func (n *note) decide(number uint64) bool { return n.decided.CompareAndSwap(number-1, number) }

func (n *note) end(number uint64, r Result) {
	status := uint64(r.Status)
	if r.Value != nil {
		status |= withValue
	}
	n.after.Store(int64(r.After))
	n.ended.Store(number<<8 | status)
}

// A notebook is the notes of one child.
type notebook struct {
	file  *os.File // the parent's, until the child has it
	page  []byte
	notes []note
}

// newNotebook makes one of so many seats. What is not touched takes no memory.
func newNotebook(seats int) (*notebook, error) {
	fd, err := unix.MemfdCreate("taskbench-pool-child", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory to share: %w", err)
	}
	file := os.NewFile(uintptr(fd), "pool child's notebook")
	if err := file.Truncate(int64(seats) * int64(unsafe.Sizeof(note{}))); err != nil {
		file.Close()
		return nil, fmt.Errorf("size the memory to share: %w", err)
	}
	b, err := openNotebook(fd, seats)
	if err != nil {
		file.Close()
		return nil, err
	}
	b.file = file
	return b, nil
}

func openNotebook(fd, seats int) (*notebook, error) {
	page, err := unix.Mmap(fd, 0, seats*int(unsafe.Sizeof(note{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory that a pool child shares: %w", err)
	}
	return &notebook{page: page, notes: unsafe.Slice((*note)(unsafe.Pointer(&page[0])), seats)}, nil
}

// close is called once nobody reads the notes any more.
func (b *notebook) close() { _ = unix.Munmap(b.page) }
