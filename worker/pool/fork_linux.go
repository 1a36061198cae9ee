package pool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ChildEnv is the environment variable that makes a process a pool child. Its value holds what the child is told.
const ChildEnv = "TASKBENCH_POOL_CHILD"

// orders are what a child is told when it starts.
type orders struct {
	MaxTasks  int   `json:"max_tasks"`
	MaxMemory int64 `json:"max_memory"`
	Seats     int   `json:"seats"`   // most jobs at a time; 1 is a prefork child
	Outputs   bool  `json:"outputs"` // a prefork child prints to fdOutputs
}

// Files of a child, by number: its ends of the pipes for jobs and for what it says, of the leash, the notebook's memory,
// and, in a prefork child whose output is captured, a pipe for what jobs of each turn print.
const (
	fdJobs = 3 + iota
	fdWord
	fdLeash
	fdNotebook
	fdOutputs
)

// A mould is what all children of a pool have in common.
type mould struct {
	seats int
	env   []string
	log   *slog.Logger // for captured output; nil where that is not captured
}

// outputs is how many pipes take what a child prints.
func (m mould) outputs() int {
	switch {
	case m.log == nil:
		return 0
	case m.seats == 1:
		return turns
	}
	return 1
}

// newMould checks that this process may have children.
func newMould(s Settings, seats int, env ...string) (mould, error) {
	if IsChild() {
		return mould{}, errors.New("start a pool with children: this process is itself a pool child that was not taken over: call worker.Main first in main and in TestMain")
	}
	told, err := json.Marshal(orders{MaxTasks: s.MaxTasks, MaxMemory: s.MaxMemory, Seats: seats, Outputs: s.Capture && seats == 1})
	if err != nil {
		return mould{}, fmt.Errorf("start a pool with children: %w", err)
	}
	m := mould{seats: seats, env: append(env, ChildEnv+"="+string(told))}
	if s.Capture {
		m.log = s.output
	}
	return m, nil
}

// fork starts a child process. It must be called on a thread that outlives the child: the child gets SIGKILL when
// the thread that started it ends.
func (m mould) fork() (p *process, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start a pool child: %w", err)
		}
	}()
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own binary: %w", err)
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	theirJobs, jobs, err := newPipe(1)
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, theirJobs)
	said, theirWord, err := newPipe(0)
	if err != nil {
		jobs.Close()
		return nil, err
	}
	theirs = append(theirs, theirWord)
	theirLeash, leash, err := os.Pipe()
	if err != nil {
		jobs.Close()
		said.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	_ = narrow(theirLeash, os.Getpagesize())
	theirs = append(theirs, theirLeash)
	p = &process{
		jobs: jobs, said: said, leash: leash, in: bufio.NewReaderSize(said, 4096), wide: holds(theirJobs, leastPipe),
		gone: make(chan struct{}), retired: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			p.free()
		}
	}()
	if p.book, err = newNotebook(m.seats); err != nil {
		return nil, err
	}
	theirs = append(theirs, p.book.file)
	p.cmd = exec.Command(exe, "pool-child")
	p.cmd.Env = append(os.Environ(), m.env...)
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr // standard output may be the parent's way to speak to a program
	p.cmd.ExtraFiles = []*os.File{theirJobs, theirWord, theirLeash, p.book.file}
	for len(p.outs) < m.outputs() {
		out, write, err := newOutput(m.log)
		if err != nil {
			return nil, err
		}
		out.solo = m.seats == 1
		p.outs, theirs = append(p.outs, out), append(theirs, write)
		p.cmd.Stdout, p.cmd.Stderr = write, write
		if m.seats == 1 {
			p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, write)
		}
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err = p.cmd.Start(); err != nil {
		return nil, err
	}
	p.born = time.Now()
	p.users.Store(1)
	for _, out := range p.outs {
		out.pid = p.pid()
		go out.follow()
	}
	go p.reap()
	return p, nil
}

// leastPipe is what a pipe for frames must hold for jobs to be sent ahead. One that its user has no more memory for holds
// a page or two.
const leastPipe = 64 << 10

// narrow has a pipe hold less than the usual, since all that a user's pipes may hold is bounded.
func narrow(pipe *os.File, size int) error {
	_, err := unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, size)
	return err
}

func holds(pipe *os.File, size int) bool {
	n, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	return err == nil && n >= size
}

// newPipe makes a pipe of which one end is the parent's, and waits in the poller; how the child's does is its own choice.
// It is not a socket, since who reads from one of those wakes whoever waits for the other direction.
func newPipe(ours int) (read, write *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	_ = unix.SetNonblock(ends[ours], true)
	return os.NewFile(uintptr(ends[0]), "pool child's frames"), os.NewFile(uintptr(ends[1]), "pool child's frames"), nil
}
