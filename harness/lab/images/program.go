package images

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"taskbench/brokers"
)

// A Dockerfile with this line copies a program, which is named after the image, and which the machine's own Go builds before:
// a module of this repository, by its directory, or PACKAGE@VERSION, as brokers.Program has it. Go has the packages at hand,
// and the image needs no compiler.
var programLine = regexp.MustCompile(`(?m)^# program: (\S+)$`)

// program is what the line says; "" where there is none.
func (r recipe) program() string {
	if found := programLine.FindSubmatch(r.text); found != nil {
		return string(found[1])
	}
	return ""
}

// published is the program where it needs no sources of ours; "" where there is none.
func (r recipe) published() brokers.Program {
	if strings.Contains(r.program(), "@") {
		return brokers.Program(r.program())
	}
	return ""
}

// inputs is the directory that an image is made from besides its recipe; "" where there is none.
func (r recipe) inputs() string {
	if r.published() != "" {
		return ""
	}
	return r.program() + r.modules()
}

// errNoSources is how a program cannot be built: this is not the repository, whose modules no binary can carry.
var errNoSources = errors.New("it is made from sources of taskbench, which are not here: build it inside taskbench's source tree")

// sources finds the directory of the inputs from the current one on upwards.
func (r recipe) sources() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module taskbench\n") {
			break
		}
		if filepath.Dir(dir) == dir {
			return "", errNoSources
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, filepath.FromSlash(r.inputs()))
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%w: %w", errNoSources, err)
	}
	return dir, nil
}

// sum is what the inputs come to: all files below their directory but tests.
func (r recipe) sum() (string, error) {
	dir, err := r.sources()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	err = filepath.WalkDir(dir, func(path string, f fs.DirEntry, err error) error { // in the order of names
		if err != nil || f.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(h, "%s %d\n%s", strings.TrimPrefix(path, dir), len(text), text) // a hash takes all
		return nil
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// compile builds the program as a static binary, and returns that.
func (r recipe) compile(ctx context.Context, o Options) ([]byte, error) {
	if p := r.published(); p != "" {
		at, err := p.Make(ctx, brokers.Workbench{System: "linux", Claim: o.Claim})
		if err != nil {
			return nil, err
		}
		return os.ReadFile(at)
	}
	dir, err := r.sources()
	if err != nil {
		return nil, err
	}
	out, err := os.MkdirTemp("", "taskbench-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(out) }() // the system clears it up, too
	binary := filepath.Join(out, r.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s with Go: %w: %s", r.program(), err, strings.TrimSpace(string(said)))
	}
	return os.ReadFile(binary)
}
