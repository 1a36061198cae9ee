package pool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"taskbench/worker/message"
)

// IsChild tells whether this process was started as a pool child.
func IsChild() bool {
	_, ok := os.LookupEnv(ChildEnv)
	return ok
}

// Serve is the whole life of a pool child: it runs what its parent sends, one job after the other or, in a green
// child, all at a time, and ends the process when the parent is gone, by whatever death, or has no more jobs for it.
func Serve(run Runner) {
	os.Exit(serve(run))
}

func serve(run Runner) int {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(ChildEnv)), &o); err != nil {
		fmt.Fprintf(os.Stderr, "pool child: read %s: %v\n", ChildEnv, err)
		return 1
	}
	os.Unsetenv(ChildEnv) // what tasks start are not pool children
	own := []int{fdJobs, fdWord, fdLeash, fdNotebook}
	if o.Outputs {
		for i := range turns {
			own = append(own, fdOutputs+i)
		}
	}
	for _, fd := range own {
		syscall.CloseOnExec(fd)
	}
	book, err := openNotebook(fdNotebook, o.Seats)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pool child: %v\n", err)
		return 1
	}
	syscall.Close(fdNotebook)
	// A terminal's Ctrl-C and a group's SIGTERM are for the parent to act on: it decides what becomes of tasks.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)

	ctx, cancel := context.WithCancelCause(context.Background())
	if o.Seats > 1 {
		_ = syscall.SetNonblock(fdJobs, true) // many wait for many things: in the poller
		_ = syscall.SetNonblock(fdWord, true)
	}
	c := &child{run: run, jobs: os.NewFile(fdJobs, "jobs"), word: os.NewFile(fdWord, "word"), notes: book.notes, orders: o}
	go c.follow(cancel)
	trim()
	if err := c.write(closeFrame(openFrame(nil, frameHello, 0))); err != nil {
		return 0
	}
	if o.Seats > 1 {
		c.serveMany(ctx)
		return 0
	}
	c.serve(ctx)
	return 0
}

// leashHurry, on the leash, asks the child to say at once what it holds back. All else there is the cause of a cancel.
const leashHurry = "\x00"

// follow ends the process with its parent, and cancels the tasks when told to. The leash is a pipe of its own, so
// that it is watched while a task runs.
func (c *child) follow(cancel context.CancelCauseFunc) {
	_ = syscall.SetNonblock(fdLeash, true) // waited for in the poller, which needs no thread
	leash := os.NewFile(fdLeash, "leash")
	buf := make([]byte, 4096)
	for {
		n, err := leash.Read(buf)
		if err != nil {
			os.Exit(0)
		}
		if cause := strings.Trim(string(buf[:n]), leashHurry); cause != "" {
			cancel(errors.New(cause))
		} else {
			_ = c.write(nil) // a lost parent shows at the next read
		}
	}
}

type child struct {
	run    Runner
	jobs   *os.File // with one seat both block in the kernel: there is nothing else for this process to do
	word   *os.File
	notes  []note
	orders orders

	writing sync.Mutex
	kept    []byte // frames that wait for company
}

// write says a frame, after what was kept.
func (c *child) write(frame []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(c.kept) > 0 {
		frame = append(c.kept, frame...)
		c.kept = c.kept[:0]
	}
	if len(frame) == 0 {
		return nil
	}
	_, err := c.word.Write(frame)
	return err
}

// keep has a frame said with the next one.
func (c *child) keep(frame []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.kept = append(c.kept, frame...)
}

// serve runs jobs one after the other, until there are no more: the parent is gone, or wants this child gone.
func (c *child) serve(ctx context.Context) {
	in := inbox{from: bufio.NewReaderSize(c.jobs, 16<<10)}
	// While a job runs nobody reads but its Send.
	s := sender{child: c, answer: in.answer}
	notes := &c.notes[0]
	var out []byte
	var ran uint64
	for n := uint64(1); ; n++ {
		if !in.ready() && c.write(nil) != nil {
			return
		}
		payload, err := in.job()
		if err != nil {
			return
		}
		_, _, rest, err := about(payload)
		if err != nil {
			return
		}
		if !notes.take(n) {
			continue // recalled
		}
		ran++
		c.redirect(n)
		s.open()
		began := time.Now()
		r := c.job(ctx, notes, n, rest, &s)
		s.close()
		leaving := c.leaving(ran)
		out = appendDone(out[:0], 0, r, leaving)
		if !leaving && noted(r) && time.Since(began) < shortly && in.ready() {
			c.keep(out)
			continue
		}
		if err := c.write(out); err != nil || leaving {
			return
		}
		if cap(out) > 64<<10 {
			out = nil // not kept alive for results of common size
		}
	}
}

// shortly is how long a job may take for its result to wait for the next one's: the parent is woken up once for both.
const shortly = 100 * time.Microsecond

// noted tells whether the note holds all that there is to say of a result, so that it is not lost with the child.
func noted(r Result) bool {
	return r.Status == OK && r.Value == nil && r.Err == nil && r.Exception == nil && !r.Terminated
}

// An inbox is what a prefork child is sent. A job may come before the answer to what the one before it has asked.
type inbox struct {
	from *bufio.Reader
	kept [][]byte
}

func (b *inbox) job() ([]byte, error) {
	if len(b.kept) == 0 {
		return readFrame(b.from)
	}
	first := b.kept[0]
	b.kept = b.kept[1:]
	return first, nil
}

// ready tells whether a job can be had without waiting.
func (b *inbox) ready() bool { return len(b.kept) > 0 || whole(b.from) != nil }

func (b *inbox) answer() ([]byte, error) {
	for {
		payload, err := readFrame(b.from)
		if err != nil || len(payload) == 0 || payload[0] != frameJob {
			return payload, err
		}
		b.kept = append(b.kept, payload)
	}
}

// redirect has what is printed go to where the parent looks for the words of the n-th job: it may not yet know that those
// before have ended.
func (c *child) redirect(n uint64) {
	if !c.orders.Outputs {
		return
	}
	for _, fd := range []int{1, 2} {
		_ = syscall.Dup3(fdOutputs+int(n%turns), fd, 0) // of files that are open
	}
}

// leaving tells whether the child has reached a bound with its n-th job.
func (c *child) leaving(n uint64) bool {
	return c.orders.MaxTasks > 0 && n >= uint64(c.orders.MaxTasks) ||
		c.orders.MaxMemory > 0 && resident() > c.orders.MaxMemory
}

// job runs the seat's n-th job, which was taken.
func (c *child) job(ctx context.Context, notes *note, n uint64, rest []byte, s *sender) Result {
	j, flags, err := decodeJob(rest)
	if err == nil {
		j.Task, err = message.Read(j.Task.Message, j.Task.Message.ContentType) // accepted by the parent
	}
	told := false
	ended := func(r Result) bool {
		if !told && notes.decide(n) {
			notes.end(n, r)
			told = true
		}
		return told
	}
	var r Result
	if err != nil {
		r = Result{Status: Malformed, Err: err}
	} else {
		j.Ended = ended
		if flags&flagTellStart != 0 {
			j.Started = func() { c.started(notes.turn(n), s.seat, flags&flagPrompt != 0) }
		}
		if flags&flagSend != 0 {
			j.Send = s.send
		}
		r = c.run(ctx, &j)
	}
	ended(r) // of a Runner that does not tell
	return r
}

// started tells the parent that an attempt has. A prefork child notes it down: its parent looks there when the attempt
// has ended, or is not brief, so that brief ones cost no wake-up for their start, unless that is wanted.
func (c *child) started(t *turn, seat uint32, prompt bool) {
	if c.orders.Seats == 1 {
		t.started.Store(time.Now().UnixNano())
		if !prompt {
			return
		}
	}
	_ = c.write(closeFrame(openFrame(make([]byte, 0, atRest), frameStarted, seat))) // a lost parent shows at the next read
}

// resident is this process's RSS in bytes; 0 where it cannot be told.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
