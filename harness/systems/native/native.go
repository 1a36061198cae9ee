// Package native is our own worker as a system under test: each worker is a process of this same binary, so
// that it can be killed, and says what it did in an evidence file that outlives it.
package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/systems"
	"taskbench/worker"
)

// System is the native worker.
var System = systems.System{
	Name:  "native",
	Doc:   "taskbench's own Celery-compatible worker",
	Pools: []string{"prefork", "goroutine", "threads", "green", "solo"},
	Start: start,
	Count: count,
	Beat:  startBeat,
}

// orders is what a worker process is told by its environment; its pool children inherit it.
type orders struct {
	Config   worker.Config `json:"config"`
	Evidence string        `json:"evidence"`
	Index    uint16        `json:"index"`
	Run      string        `json:"run"`     // the run's tag
	Results  string        `json:"results"` // URL of where results are kept; "" nowhere
	Dial     string        `json:"dial"`    // file
	Beat     *beatOrders   `json:"beat"`    // of a beat; nil for a worker
}

// process is one worker, over as many lives as faults give it.
type process struct {
	spec   systems.Spec
	orders orders

	mu      sync.Mutex
	cmd     *exec.Cmd
	gone    chan struct{} // closed when the present life's process has been reaped
	exitErr error
	ordered atomic.Bool // an end of the present life would be somebody's wish, or is told by Start
	stdin   *os.File    // the worker leaves when this closes: nobody is left to measure it
	stdout  *os.File    // on which it says that it is ready, and what time it is
}

func start(ctx context.Context, s systems.Spec) (systems.Worker, error) {
	y := s.System
	p := &process{spec: s, orders: orders{
		Config: worker.Config{
			Name: s.Name, Broker: s.Driver.Name, Variant: s.Variant.Name, URL: s.URL, Queues: s.Queues,
			Pool: y.Pool, Concurrency: y.Concurrency, Prefetch: y.Prefetch, Acks: worker.AckPolicy(y.Acks),
			MaxTasks: y.MaxTasks, MaxMemory: y.MaxMemory, Grace: y.Grace, SoftStop: softStop,
		},
		Evidence: s.Evidence, Index: s.Index, Run: s.Run.Tag(), Dial: filepath.Join(s.Evidence, s.Name+".dial"),
	}}
	if y.Results != "" {
		p.orders.Results = s.URL
	}
	return p.begin(ctx)
}

// begin starts a process for the first time.
func (p *process) begin(ctx context.Context) (systems.Worker, error) {
	if err := errors.Join(p.SetClock(systems.Drift{}), p.SetSlowStart(0)); err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) Name() string { return p.spec.Name }

// readyLine is what a worker process prints on its standard output once it consumes.
const readyLine = "ready\n"

func (p *process) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up() {
		return fmt.Errorf("start %s: it is up already", p.spec.Name)
	}
	order, err := json.Marshal(p.orders)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start %s: find this program's own binary: %w", p.spec.Name, err)
	}
	if err := os.MkdirAll(filepath.Dir(p.spec.LogPath), 0o755); err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	log, err := os.OpenFile(p.spec.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: open its log: %w", p.spec.Name, err)
	}
	defer log.Close()
	leashRead, leash, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	defer leashRead.Close()
	said, say, err := os.Pipe()
	if err != nil {
		leash.Close()
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	drop := func() { leash.Close(); said.Close() }

	p.ordered.Store(true)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ordersEnv+"="+string(order))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = leashRead, say, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	say.Close()
	if err != nil {
		drop()
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	if err := leftovers.Group(cmd.Process.Pid); err != nil {
		drop()
		_ = cmd.Process.Kill() // it may have gone by itself
		_ = cmd.Wait()         // how it ended says nothing
		return fmt.Errorf("start %s: note its process down: %w", p.spec.Name, err)
	}
	p.cmd, p.stdin, p.stdout, p.gone = cmd, leash, said, make(chan struct{})
	go p.reap(cmd, p.gone)
	err = p.awaitReady(ctx)
	if err == nil {
		p.ordered.Store(false) // from here on reap tells of an end, or up does
		if !p.up() {
			err = errors.New("it ended as soon as it consumed")
		}
	}
	if err != nil {
		p.signal(syscall.SIGKILL)
		<-p.gone
		return fmt.Errorf("start %s: %w; the end of its log:\n%s", p.spec.Name, err, lab.Tail(p.spec.LogPath, 20))
	}
	return nil
}

func (p *process) reap(cmd *exec.Cmd, gone chan struct{}) {
	err := cmd.Wait()
	p.stdin.Close()
	p.stdout.Close()
	p.exitErr = err
	close(gone)
	if !p.ordered.Load() && p.spec.Died != nil {
		p.spec.Died(cmd.ProcessState.String())
	}
}

func (p *process) awaitReady(ctx context.Context) error {
	const patience = 30 * time.Second
	line, err := p.hear(ctx, patience)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it did not begin to consume within %v", patience)
	case line != readyLine:
		return errors.New("it ended before it consumed")
	}
	return nil
}

// hear waits for the next thing that the worker says, which is short, and said in one go.
func (p *process) hear(ctx context.Context, patience time.Duration) (string, error) {
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := p.stdout.SetReadDeadline(deadline); err != nil {
		return "", fmt.Errorf("bound the wait for its word: %w", err)
	}
	// The deadline of now ends the read below; were it refused, the one above would end it.
	defer context.AfterFunc(ctx, func() { _ = p.stdout.SetReadDeadline(time.Now()) })()
	line := make([]byte, 64)
	n, err := p.stdout.Read(line)
	return string(line[:n]), err
}

// up tells whether the present life goes on; p.mu is held.
func (p *process) up() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// signal reaches the worker's whole process group: the children share it.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *process) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up() {
		return nil
	}
	return tree(p.cmd.Process.Pid)
}

func (p *process) Kill(ctx context.Context, pids ...int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up() {
		return fmt.Errorf("%s is down already", p.spec.Name)
	}
	if len(pids) == 0 || slices.Contains(pids, p.cmd.Process.Pid) {
		p.ordered.Store(true)
	}
	if len(pids) > 0 {
		return killChildren(ctx, tree(p.cmd.Process.Pid), pids)
	}
	children := tree(p.cmd.Process.Pid)[1:]
	p.signal(syscall.SIGKILL)
	select {
	case <-p.gone:
	case <-ctx.Done():
		return fmt.Errorf("%s was killed and has not gone: %w", p.spec.Name, ctx.Err())
	}
	return awaitGone(ctx, children)
}

// killChildren kills processes that are the worker's own at this moment, and none other.
func killChildren(ctx context.Context, own, pids []int) error {
	for _, pid := range pids {
		if !slices.Contains(own, pid) {
			return fmt.Errorf("process %d is not a child of the worker any more", pid)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return awaitGone(ctx, pids)
}

// awaitGone returns once none of the processes runs: it is gone, or a zombie that its parent has yet to reap.
func awaitGone(ctx context.Context, pids []int) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !running(pid) })
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v were killed and have not gone: %w", left, ctx.Err())
		case <-tick.C:
		}
	}
}

func (p *process) Stop(ctx context.Context) error { return p.Leave(ctx, systems.Warm) }

// leave is the signal for each way to leave. Celery has SIGTERM and SIGQUIT; its soft one takes a setting besides.
var leave = map[systems.Shutdown]syscall.Signal{systems.Warm: syscall.SIGTERM, systems.Soft: syscall.SIGUSR1, systems.Cold: syscall.SIGQUIT}

// softStop is for how long a soft stop waits for running tasks.
const softStop = 500 * time.Millisecond

// Leave implements systems.Leaver.
func (p *process) Leave(ctx context.Context, how systems.Shutdown) error {
	sig, ok := leave[how]
	if !ok {
		return fmt.Errorf("stop %s: there is no %q stop", p.spec.Name, how)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up() {
		return nil
	}
	p.ordered.Store(true)
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.gone:
		if p.exitErr != nil {
			return fmt.Errorf("%s ended its %s stop with an error: %w; see %s", p.spec.Name, how, p.exitErr, p.spec.LogPath)
		}
		return nil
	case <-ctx.Done():
		p.signal(syscall.SIGKILL)
		<-p.gone
		return fmt.Errorf("%s did not leave in time and was killed: %w", p.spec.Name, ctx.Err())
	}
}
