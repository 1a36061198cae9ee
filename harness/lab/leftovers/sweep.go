package leftovers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"taskbench/harness/lab/proc"
)

// A Report says what a sweep found.
type Report struct {
	Removed []Item
	Kept    []Item // left for Down
	Failed  []Item // could not be removed
}

// An Item is one thing that a sweep found.
type Item struct {
	Kind  Kind
	Name  string
	Owner Owner
	Err   error // of Failed
}

func (i Item) String() string {
	s := fmt.Sprintf("%s %s (of %s)", i.Kind, i.Name, i.Owner)
	if i.Err != nil {
		s += ": " + i.Err.Error()
	}
	return s
}

// Sweep removes everything of this user's whose owner is gone, but what is to be kept. The error joins those of
// the report; the sweep goes on past each. Two sweeps at the same time do no harm.
func (r *Register) Sweep(ctx context.Context) (Report, error) { return r.sweep(ctx, false) }

// Down removes what Sweep does, and what is kept by owners with this state directory, if its owner is gone: what a living run
// uses stays, and so does what is kept with another state directory.
func (r *Register) Down(ctx context.Context) (Report, error) { return r.sweep(ctx, true) }

// A sweep in progress.
type sweep struct {
	*Register
	kept   bool // remove these too
	report Report
}

func (r *Register) sweep(ctx context.Context, kept bool) (Report, error) {
	unlock, err := r.lock(ctx)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	records, err := r.records()
	if err != nil {
		return Report{}, fmt.Errorf("read the state directory: %w", err)
	}
	s := &sweep{Register: r, kept: kept}
	s.processes(ctx, records)
	s.engine(ctx, containers, records)
	s.engine(ctx, networks, records) // empty now
	s.directories(records)           // last: whoever wrote in them is gone now
	errs := []error{ctx.Err()}
	for _, i := range s.report.Failed {
		errs = append(errs, errors.New("remove "+i.String()))
	}
	return s.report, errors.Join(errs...)
}

// due tells whether a thing is to be removed now, and notes it when it would be but for being kept.
func (s *sweep) due(i Item, keep bool) bool {
	if !i.Owner.gone(s.owner) {
		return false
	}
	if keep && (!s.kept || i.Owner.State != s.owner.State) {
		s.report.Kept = append(s.report.Kept, i)
		return false
	}
	return true
}

// done notes how the removal of a thing went.
func (s *sweep) done(i Item, err error) {
	if i.Err = err; err != nil {
		s.report.Failed = append(s.report.Failed, i)
		return
	}
	s.report.Removed = append(s.report.Removed, i)
}

// processes kills the families of recorded processes, and every process that carries a dead owner's mark: it
// may have been started in the moment between its start and its record, or have left its group.
func (s *sweep) processes(ctx context.Context, records []record) {
	all, err := proc.All()
	if err != nil {
		s.done(Item{Kind: Process, Name: "list", Owner: s.owner}, err)
		return
	}
	mine := kin(all)
	known := make(map[int]bool)
	for _, rec := range records {
		i := Item{Kind: Process, Name: rec.Thing.Name, Owner: rec.Owner}
		if rec.Thing.Kind != Process {
			continue
		}
		alive := rec.Owner.Boot == s.owner.Boot && rec.Thing.PID != 0 && proc.Alive(rec.Thing.PID, rec.Thing.Start)
		if !alive {
			if rec.Owner.gone(s.owner) {
				_ = os.Remove(rec.path) // what its mark may still find needs no record
			}
			continue
		}
		family := proc.Family(all, rec.Thing.PID)
		for _, p := range family {
			known[p.PID] = true
		}
		if !s.due(i, rec.Thing.Keep) {
			continue
		}
		err := end(ctx, family, mine)
		if s.done(i, err); err == nil {
			_ = os.Remove(rec.path)
		}
	}
	for _, p := range all {
		mark, marked := proc.Environ(p.PID, envOwner)
		if !marked || known[p.PID] || p.Gone() {
			continue
		}
		keep, _ := proc.Environ(p.PID, envKeep)
		i := Item{Kind: Process, Name: fmt.Sprintf("%d", p.PID), Owner: fromMark(mark)}
		i.Owner.State, _ = proc.Environ(p.PID, envOwnerState)
		if s.due(i, keep == "true") {
			s.done(i, end(ctx, []proc.Process{p}, mine))
		}
	}
}

// kin are this process, those that it comes from and those that come from it. They are never ended, whatever
// mark they carry.
func kin(all []proc.Process) map[int]bool {
	parent := make(map[int]int, len(all))
	for _, p := range all {
		parent[p.PID] = p.PPID
	}
	chain := make(map[int]bool)
	for pid := os.Getpid(); pid > 0 && !chain[pid]; pid = parent[pid] {
		chain[pid] = true
	}
	for _, p := range all {
		for pid := p.PPID; pid > 1; pid = parent[pid] {
			if pid == os.Getpid() {
				chain[p.PID] = true
				break
			}
		}
	}
	return chain
}

// end kills the processes, each only if it still is the one that was read, and waits until they are gone.
func end(ctx context.Context, ps []proc.Process, spare map[int]bool) error {
	for _, p := range ps {
		if spare[p.PID] {
			continue
		}
		handle, err := os.FindProcess(p.PID) // holds on to the process where the kernel can, not to its number
		if err != nil {
			continue
		}
		if proc.Alive(p.PID, p.Start) {
			if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				_ = handle.Release()
				return fmt.Errorf("kill process %d: %w", p.PID, err)
			}
		}
		_ = handle.Release()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for _, p := range ps {
		for !spare[p.PID] && proc.Alive(p.PID, p.Start) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("process %d was killed and is not gone: %w", p.PID, ctx.Err())
			}
		}
	}
	return nil
}

func (s *sweep) directories(records []record) {
	for _, rec := range records {
		path := rec.Thing.Name
		i := Item{Kind: Directory, Name: path, Owner: rec.Owner}
		if rec.Thing.Kind != Directory || !s.due(i, rec.Thing.Keep) {
			continue
		}
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			_ = os.Remove(rec.path)
			continue
		}
		var err error
		if !filepath.IsAbs(path) || filepath.Dir(path) == path {
			err = errors.New("it is no path of something that was made for a run")
		} else {
			err = errors.Join(Unmount(path), os.RemoveAll(path))
		}
		if s.done(i, err); err == nil {
			_ = os.Remove(rec.path)
		}
	}
}

// lock keeps two sweeps of one directory apart. It waits for the other one until ctx ends.
func (r *Register) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = f.Close()
		return nil, fmt.Errorf("lock the state directory %s: %w", r.dir, err)
	}
}
