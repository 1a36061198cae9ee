package pool

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A note is memory that a child shares with its parent, one for each seat: what it says there costs no system call,
// and is known to the parent after the child's death. A seat's jobs are numbered from 1 by the parent, and have turns by
// turns: a prefork child may have that many at a time.
type note struct{ turns [turns]turn }

// turns is how many jobs a prefork child may have: one that runs, and others behind it.
const turns = 4

// A turn is what is known of one job.
type turn struct {
	state   atomic.Uint64 // its number, shifted left by 2, and its stage
	started atomic.Int64  // when the attempt did, in ns since 1970; 0 while it has not. A prefork child's only
	ended   atomic.Uint64 // its number, if it ran to its end, shifted left by 8, and its Status, with withValue
	after   atomic.Int64  // its Result.After
}

// The stages of a job. Whoever wants to move it from one to the next has done so if it was still at that.
const (
	offered  uint64 = iota // by the parent; its frame is on the way
	taken                  // by the child
	recalled               // by the parent, before the child had taken it: it had no effect
	over                   // its outcome is decided: by the child, by its end, or before that by the parent
)

// at is the state of a job at a stage.
func at(number, stage uint64) uint64 { return number<<2 | stage }

// withValue marks a Status in a note: the task returned something that the note does not hold.
const withValue = 0x80

func (n *note) turn(number uint64) *turn { return &n.turns[number%turns] }

// offer makes a turn that of a new job, once that of the last but one is done with.
func (n *note) offer(number uint64) {
	t := n.turn(number)
	t.started.Store(0)
	t.state.Store(at(number, offered))
}

func (n *note) move(number, from, to uint64) bool {
	return n.turn(number).state.CompareAndSwap(at(number, from), at(number, to))
}

// take is the child's; false says that the job is not to be run any more.
func (n *note) take(number uint64) bool { return n.move(number, offered, taken) }

// recall is the parent's; false says that the child has taken the job.
func (n *note) recall(number uint64) bool { return n.move(number, offered, recalled) }

// decide is called by whoever wants to say how a job ended that was taken; true says that nobody has before.
func (n *note) decide(number uint64) bool { return n.move(number, taken, over) }

// doom is decide for a parent that kills the child, whether that has taken the job or not.
func (n *note) doom(number uint64) bool {
	return n.move(number, offered, over) || n.decide(number)
}

// begun tells whether the child has taken the job.
func (n *note) begun(number uint64) bool {
	state := n.turn(number).state.Load()
	return state == at(number, taken) || state == at(number, over)
}

func (n *note) end(number uint64, r Result) {
	status := uint64(r.Status)
	if r.Value != nil {
		status |= withValue
	}
	t := n.turn(number)
	t.after.Store(int64(r.After))
	t.ended.Store(number<<8 | status)
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
