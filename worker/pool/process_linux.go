package pool

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Files of a child, by number: its end of the job socket, of the leash, and the notebook's memory.
const (
	fdJobs = 3 + iota
	fdLeash
	fdNotebook
)

// childProcs bounds a child to the processor that runs its task and one that watches its parent: with more, the
// children of one machine get in each other's way; with one, the watching holds up tasks that are short.
const childProcs = "GOMAXPROCS=2"

// A notebook is memory that a child shares with its parent: what it says there costs no system call, and is known
// to the parent after the child's death. Jobs are numbered from 1 by the parent.
type notebook struct {
	taken atomic.Uint64 // the last job that the child has read
	ended atomic.Uint64 // the last job that ran to its end, shifted left by 8, and its Status
	after atomic.Int64  // that job's Result.After
}

func mapNotebook(fd int) (*notebook, []byte, error) {
	page, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map the memory that a pool child shares: %w", err)
	}
	return (*notebook)(unsafe.Pointer(&page[0])), page, nil
}

// A process is one child as its parent sees it.
type process struct {
	cmd    *exec.Cmd
	jobs   *os.File // socket
	in     *bufio.Reader
	leash  *os.File // the child leaves when this pipe closes; what is written there cancels its tasks
	notes  *notebook
	page   []byte
	gone   chan struct{} // closed when the process has been reaped
	born   time.Time
	users  atomic.Int32 // what the parent holds of the child is freed by the last of them
	count  uint64       // jobs sent
	proven atomic.Bool  // it has finished a job
	parted atomic.Bool  // it said that it leaves
}

// fork starts a child process. It must be called on a thread that outlives the child: the child gets SIGKILL when
// the thread that started it ends.
func fork(env string) (p *process, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start a pool child: find this program's own binary: %w", err)
	}
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start a pool child: make a socket pair: %w", err)
	}
	_ = unix.SetNonblock(pair[0], true) // the parent's end waits in the poller, the child's in the kernel
	jobs, theirJobs := os.NewFile(uintptr(pair[0]), "pool child"), os.NewFile(uintptr(pair[1]), "pool child's end")
	open = append(open, theirJobs)
	theirLeash, leash, err := os.Pipe()
	if err != nil {
		jobs.Close()
		return nil, fmt.Errorf("start a pool child: make a pipe: %w", err)
	}
	open = append(open, theirLeash)
	p = &process{jobs: jobs, leash: leash, in: bufio.NewReaderSize(jobs, 4096), gone: make(chan struct{})}
	defer func() {
		if err != nil {
			p.free()
		}
	}()
	fd, err := unix.MemfdCreate("taskbench-pool-child", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("start a pool child: make memory to share: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "pool child's notebook")
	open = append(open, memory)
	if err := memory.Truncate(int64(os.Getpagesize())); err != nil {
		return nil, fmt.Errorf("start a pool child: size the memory to share: %w", err)
	}
	if p.notes, p.page, err = mapNotebook(fd); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(exe, "pool-child")
	p.cmd.Env = append(os.Environ(), env, childProcs)
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr // standard output may be the parent's way to speak to a program
	p.cmd.ExtraFiles = []*os.File{theirJobs, theirLeash, memory}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a pool child: %w", err)
	}
	p.born = time.Now()
	p.users.Store(1)
	go func() {
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) kill() { _ = p.cmd.Process.Kill() }

func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// hold keeps the child's files and notebook from being freed; it fails when they are already.
func (p *process) hold() bool {
	for {
		n := p.users.Load()
		if n == 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release undoes a hold, or the one that every process is born with.
func (p *process) release() {
	if p.users.Add(-1) == 0 {
		p.free()
	}
}

func (p *process) free() {
	p.jobs.Close()
	p.leash.Close()
	if p.page != nil {
		_ = unix.Munmap(p.page)
	}
}
