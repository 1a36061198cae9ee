package pool

import (
	"bufio"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one child as its parent sees it. It leads a process group, so that what tasks start can be killed
// with it.
type process struct {
	cmd   *exec.Cmd
	jobs  *os.File // what it is sent
	said  *os.File // what it says
	in    *bufio.Reader
	leash *os.File // the child leaves when this pipe closes; what is written there cancels its tasks
	book  *notebook
	outs  []*output     // where it is captured: a green child's, or those of a prefork child's jobs by turn
	wide  bool          // jobs may be sent ahead
	gone  chan struct{} // closed when the process has been reaped
	born  time.Time
	users atomic.Int32 // what the parent holds of the child is freed by the last of them

	proven  atomic.Bool   // it has finished a job
	meant   atomic.Bool   // its end is the parent's will, or as configured
	cut     atomic.Bool   // it was told to leave while it had a job
	retired chan struct{} // closed when it is to get no more jobs

	recall func() // has what waits in a prefork child for its turn go elsewhere

	writing sync.Mutex

	mu       sync.Mutex
	reaped   bool
	retiring bool
	busy     int // jobs that run, and are waited for
	seats    []*seat
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal reaches the child and what its tasks have started.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped { // else the number may be another's
		_ = syscall.Kill(-p.pid(), s)
	}
}

func (p *process) kill() { p.signal(syscall.SIGKILL) }

// reap waits for the child's end. What the tasks of a child that was cut off have started goes with it; a child
// that left of its own will leaves it alone.
func (p *process) reap() {
	var info unix.Siginfo
	for unix.Waitid(unix.P_PID, p.pid(), &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	if info.Code != cldExited || p.cut.Load() {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	p.reaped = true
	p.mu.Unlock()
	_ = p.cmd.Wait()
	close(p.gone)
}

// cldExited is the Code of waitid(2) for a process that ended by itself.
const cldExited = 1

// hurry has a prefork child say at once what it holds back.
func (p *process) hurry() { _, _ = p.leash.WriteString(leashHurry) } // one that is leaving has said it

func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

func (p *process) write(frame []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.jobs.Write(frame)
	return err
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
	p.said.Close()
	p.leash.Close()
	if p.book != nil {
		p.book.close()
	}
	for _, out := range p.outs {
		out.close()
	}
}

// engage counts a job in, and holds the child; false when the child gets no more.
func (p *process) engage() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retiring || !p.hold() {
		return false
	}
	p.busy++
	return true
}

// disengage undoes engage. A retired child leaves with its last job.
func (p *process) disengage() {
	p.mu.Lock()
	p.busy--
	leave := p.retiring && p.busy == 0
	p.mu.Unlock()
	if leave {
		p.leash.Close()
	}
	p.release()
}

// retire gives the child no more jobs, and has it leave when it has none; it tells whether it had one.
func (p *process) retire() (busy bool) {
	p.mu.Lock()
	first := !p.retiring
	p.retiring = true
	busy = p.busy > 0
	p.mu.Unlock()
	if first {
		p.meant.Store(true)
		close(p.retired)
		if !busy {
			p.leash.Close()
		} else if p.recall != nil {
			p.recall()
		}
	}
	return busy
}
