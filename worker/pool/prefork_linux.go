package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// ChildEnv is the environment variable that makes a process a pool child. Its value holds what the child is told.
const ChildEnv = "TASKBENCH_POOL_CHILD"

// orders are what a child is told when it starts.
type orders struct {
	MaxTasks  int   `json:"max_tasks"`
	MaxMemory int64 `json:"max_memory"`
}

// heed is how long cancelled attempts get before their children are killed, and idle children to leave.
const heed = time.Second

// prefork runs jobs in child processes, one at a time in each. A job goes to an idle child only, so that no job
// waits behind another while a child has nothing to do.
type prefork struct {
	settings Settings
	env      string
	idle     chan *process // may hold dead ones for a while
	starts   chan func()   // run on the thread that is every child's parent
	closing  chan struct{}
	keepers  sync.WaitGroup
	closed   sync.Once

	mu       sync.Mutex
	children []*process // by place; nil while there is none
}

func newPrefork(ctx context.Context, s Settings) (Pool, error) {
	if IsChild() {
		return nil, errors.New("start a prefork pool: this process is itself a pool child that was not taken over: call worker.Main first in main and in TestMain")
	}
	told, err := json.Marshal(orders{MaxTasks: s.MaxTasks, MaxMemory: s.MaxMemory})
	if err != nil {
		return nil, fmt.Errorf("start a prefork pool: %w", err)
	}
	p := &prefork{
		settings: s,
		env:      ChildEnv + "=" + string(told),
		idle:     make(chan *process, 4*s.Size),
		starts:   make(chan func()),
		closing:  make(chan struct{}),
		children: make([]*process, s.Size),
	}
	go p.parent()
	first := make(chan error, s.Size)
	for place := range s.Size {
		p.keepers.Add(1)
		go p.keep(place, first)
	}
	select {
	case err = <-first:
	case <-ctx.Done():
		err = fmt.Errorf("start a prefork pool: wait for its first child: %w", context.Cause(ctx))
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// parent holds one thread for as long as the pool lives: children are killed when the thread that started them
// ends, and the threads of other goroutines may end at any time.
func (p *prefork) parent() {
	runtime.LockOSThread()
	for {
		select {
		case start := <-p.starts:
			start()
		case <-p.closing:
			p.keepers.Wait()
			runtime.UnlockOSThread()
			return
		}
	}
}

// Run implements Pool.
func (p *prefork) Run(ctx context.Context, j *Job) Result {
	if err := j.encode(); err != nil {
		return Result{Status: Malformed, Err: err}
	}
	if len(j.frame) > 64<<10 {
		defer func() { j.frame = nil }() // not kept alive for jobs of common size
	}
	for {
		c := p.take(ctx)
		if c == nil {
			return Result{}
		}
		r := p.runIn(c, j)
		c.release()
		if r.Status != Unstarted {
			return r
		}
		// The child was dead before it had read the job, so another one may have it.
	}
}

// take waits for an idle child, held for the caller; nil when ctx or the pool ends first.
func (p *prefork) take(ctx context.Context) *process {
	for ctx.Err() == nil {
		select {
		case c := <-p.idle:
			if c.alive() && c.hold() {
				return c
			}
		case <-ctx.Done():
		case <-p.closing:
			return nil
		}
	}
	return nil
}

// runIn gives the job to a child and follows it to its end, or the child's. The child may have its next job before
// whoever wanted to know of the start has come to terms with it.
func (p *prefork) runIn(c *process, j *Job) Result {
	var telling sync.WaitGroup
	defer telling.Wait()
	c.count++
	_, err := c.jobs.Write(j.frame)
	for err == nil {
		var payload []byte
		if payload, err = readFrame(c.in); err != nil || len(payload) == 0 {
			break
		}
		switch payload[0] {
		case frameStarted:
			telling.Go(j.Started)
			continue
		case frameDone:
			r, leaving, bad := decodeDone(payload)
			if err = bad; err != nil {
				break
			}
			c.proven.Store(true)
			if leaving {
				c.parted.Store(true)
			} else {
				p.offer(c)
			}
			return r
		}
	}
	return c.lost()
}

// lost tells what became of the job that a dead or dying child held. The child's own notes outlive it.
func (p *process) lost() Result {
	p.kill() // in case that it only closed its end
	<-p.gone
	if p.notes.taken.Load() != p.count {
		return Result{}
	}
	if ended := p.notes.ended.Load(); ended>>8 == p.count {
		return Result{
			Status: Status(ended),
			Err:    errors.New("the pool child died before it could say more"),
			After:  time.Duration(p.notes.after.Load()),
			PID:    p.pid(),
		}
	}
	return Result{Status: Killed, PID: p.pid()}
}

// offer makes a child available.
func (p *prefork) offer(c *process) {
	for {
		select {
		case p.idle <- c:
			return
		default:
			p.sweep() // full of dead ones
		}
	}
}

// sweep takes the dead out of the idle.
func (p *prefork) sweep() {
	for range len(p.idle) {
		select {
		case c := <-p.idle:
			if c.alive() {
				p.idle <- c
			}
		default:
			return
		}
	}
}

// Cancel implements Pool.
func (p *prefork) Cancel(cause error) {
	text := []byte("cancelled")
	if cause != nil {
		text = []byte(cause.Error())
	}
	for _, c := range p.held() {
		_, _ = c.leash.Write(text)
		time.AfterFunc(heed, func() {
			c.kill()
			c.release()
		})
	}
}

// held returns the children of now, each held.
func (p *prefork) held() (all []*process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if c != nil && c.hold() {
			all = append(all, c)
		}
	}
	return all
}

// Size implements Pool.
func (p *prefork) Size() int { return p.settings.Size }

// PIDs implements Pool.
func (p *prefork) PIDs() (pids []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if c != nil && c.alive() {
			pids = append(pids, c.pid())
		}
	}
	return pids
}

// Close implements Pool.
func (p *prefork) Close() error {
	p.closed.Do(func() {
		close(p.closing)
		p.keepers.Wait()
	})
	return nil
}
