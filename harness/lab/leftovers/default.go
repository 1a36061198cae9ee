package leftovers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"taskbench/harness/lab/proc"
)

var (
	defaultMu       sync.Mutex
	defaultRegister *Register
)

// Dir is the state directory: TASKBENCH_STATE where it is set, else in the user's cache directory, else in the
// system's temporary one.
func Dir() string {
	if dir := os.Getenv("TASKBENCH_STATE"); dir != "" {
		return dir
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "taskbench", "owned")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("taskbench-%d", os.Getuid()))
}

// Default is this process's register in Dir, made at the first call.
func Default() (*Register, error) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	return opened("")
}

// opened returns the default register; a run's name replaces the one it had. defaultMu is held.
func opened(run string) (*Register, error) {
	if defaultRegister != nil && (run == "" || defaultRegister.owner.Run == run) {
		return defaultRegister, nil
	}
	r, err := Open(Dir(), run)
	if err != nil {
		return nil, err
	}
	if defaultRegister != nil {
		r.serial.Store(defaultRegister.serial.Load()) // both write in the same place
	}
	defaultRegister = r
	return r, nil
}

// Own makes this process the owner of all that it starts from now on, in the name of the run: its children
// inherit the mark by which Sweep finds them. Release forgets what of it is gone.
func Own(run string) (release func(), err error) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	r, err := opened(filepath.Base(run))
	if err != nil {
		return nil, err
	}
	if err := os.Setenv(envOwner, r.owner.mark()); err != nil {
		return nil, fmt.Errorf("mark what is started: %w", err)
	}
	return r.prune, nil
}

// Group claims the process group that this process has just started; pid is its leader. The claim is forgotten
// by the release of Own, or by the next sweep, once the leader is gone.
func Group(pid int) error {
	r, err := Default()
	if err != nil {
		return err
	}
	c, err := r.Claim(Thing{Kind: Process, Name: fmt.Sprintf("group %d", pid)})
	if err != nil {
		return err
	}
	return c.Started(pid)
}

// Scratch claims a directory that is about to be made, such as one for evidence within a run's own, and returns
// how the claim is forgotten once it has been removed. The path must be absolute.
func Scratch(path string) (release func() error, err error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("claim directory %s: the path is not absolute", path)
	}
	r, err := Default()
	if err != nil {
		return nil, err
	}
	c, err := r.Claim(Thing{Kind: Directory, Name: filepath.Clean(path)})
	if err != nil {
		return nil, err
	}
	return c.Release, nil
}

// Sweep is Register.Sweep of the default register.
func Sweep(ctx context.Context) (Report, error) {
	r, err := Default()
	if err != nil {
		return Report{}, err
	}
	return r.Sweep(ctx)
}

// Down is Register.Down of the default register.
func Down(ctx context.Context) (Report, error) {
	r, err := Default()
	if err != nil {
		return Report{}, err
	}
	return r.Down(ctx)
}

// prune forgets this process's claims on what is gone.
func (r *Register) prune() {
	all, err := r.records()
	if err != nil {
		return
	}
	for _, rec := range all {
		if rec.Owner.PID != r.owner.PID || rec.Owner.Start != r.owner.Start {
			continue
		}
		t := rec.Thing
		switch t.Kind {
		case Process:
			if t.PID == 0 || proc.Alive(t.PID, t.Start) {
				continue
			}
		case Directory:
			if _, err := os.Lstat(t.Name); err == nil {
				continue
			}
		default:
			continue
		}
		_ = os.Remove(rec.path)
	}
}
