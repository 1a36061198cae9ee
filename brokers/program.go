package brokers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

// A Program is a server that the machine's own Go can make, once for a user: a package of commands and its version, as
// "PACKAGE@VERSION". Its modules come from where Go gets all modules from, and Go proves that they are the published ones.
// "" is none.
type Program string

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func (p Program) parts() (pkg, name, version string) {
	pkg, version, _ = strings.Cut(string(p), "@")
	name = path.Base(pkg)
	if majorVersion.MatchString(name) {
		name = path.Base(path.Dir(pkg))
	}
	return pkg, name, version
}

// Name is the file's name, as go install chooses it.
func (p Program) Name() string {
	_, name, _ := p.parts()
	return name
}

// String is what people call it.
func (p Program) String() string {
	_, name, version := p.parts()
	return name + " " + version
}

// Path is where the program for an operating system is once it has been made: in the user's cache directory, by package,
// version and platform.
func (p Program) Path(system string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for %s: %w", p, err)
	}
	return filepath.Join(cache, "taskbench", "programs", filepath.FromSlash(string(p)), system+"-"+runtime.GOARCH, p.Name()), nil
}

// Found returns where the program for this system is, or "" where it has not been made.
func (p Program) Found() string {
	if p == "" {
		return ""
	}
	at, err := p.Path(runtime.GOOS)
	if err != nil {
		return ""
	}
	if at, err = exec.LookPath(at); err != nil {
		return ""
	}
	return at
}

// ErrNoGo is how a program cannot be made on a machine without Go.
var ErrNoGo = errors.New("there is no Go on PATH that could build it: install Go")

// A Workbench is how a program is made; the zero value is good.
type Workbench struct {
	System string                                             // the operating system that it is for; "" is this one
	Claim  func(dir string) (release func() error, err error) // is told of the directory of the work before it is there, and when it has gone
	Run    func(cmd *exec.Cmd) error                          // runs one of Go's commands; what it printed is in the error
}

// making is held by who makes a program, so that the next one finds it.
var making sync.Mutex

// Make returns where the program is, and makes it if it is not there.
func (p Program) Make(ctx context.Context, w Workbench) (string, error) {
	making.Lock()
	defer making.Unlock()
	if w.System == "" {
		w.System = runtime.GOOS
	}
	at, err := p.Path(w.System)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(at); err == nil {
		return at, nil
	}
	if err := p.make(ctx, w, at); err != nil {
		return "", fmt.Errorf("build %s: %w", p, err)
	}
	return at, nil
}

func (p Program) make(ctx context.Context, w Workbench, at string) (err error) {
	compiler, err := exec.LookPath("go")
	if err != nil {
		return ErrNoGo
	}
	if w.Run == nil {
		w.Run = plainly
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	// It is made beside where it will be, and moved there whole: nobody starts half a program.
	dir := filepath.Join(filepath.Dir(at), fmt.Sprintf("new-%d", os.Getpid()))
	if w.Claim != nil {
		release, claimed := w.Claim(dir)
		if claimed != nil {
			return claimed
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module server\n"), 0o600); err != nil {
		return err
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, compiler, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOOS="+w.System, "GOARCH="+runtime.GOARCH)
		if err := w.Run(cmd); err != nil {
			return fmt.Errorf("go %s: %w", args[0], errors.Join(context.Cause(ctx), err))
		}
		return nil
	}
	pkg, name, _ := p.parts()
	if err := run("get", string(p)); err != nil {
		return fmt.Errorf("%w\nGo fetches modules from where `go env GOPROXY` says: see that this machine reaches it", err)
	}
	if err := run("build", "-trimpath", "-ldflags", "-s -w", "-o", name, pkg); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, name), at)
}

// plainly runs a command as a child like any other.
func plainly(cmd *exec.Cmd) error {
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}
