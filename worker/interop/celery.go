// Package interop runs real Celery: its workers, its command line, and Python that calls its tasks. Its own tests hold
// taskbench's worker and client against it, in both directions; others measure with it. Where Celery is, ci/celery says.
package interop

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Celery is one installation.
type Celery struct {
	Name    string // "newest" or "debian"
	Version string
	Python  string // its interpreter
}

// ErrAbsent is returned where Celery is not installed.
var ErrAbsent = errors.New("Celery is not installed for the tests: `make interop` installs it")

// Installed finds the installations that ci/celery/install has made; root is the directory of the repository.
func Installed(ctx context.Context, root string) ([]Celery, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(root, "ci", "celery", "install"), "--find").Output()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrAbsent, err)
	}
	var found []Celery
	for line := range strings.Lines(string(out)) {
		var c Celery
		if _, err := fmt.Sscan(line, &c.Name, &c.Version, &c.Python); err != nil {
			return nil, fmt.Errorf("find Celery: ci/celery/install says %q: %w", line, err)
		}
		found = append(found, c)
	}
	return found, nil
}

// An App is how one Celery process runs the tasks of app/lab.py.
type App struct {
	Dir     string         // where the Python files are, from Unpack
	Broker  string         // URL, as Celery spells it
	Backend string         // likewise; "" is none
	Queue   string         // where tasks go that do not say
	Conf    map[string]any // more of Celery's settings
	Serial  bool           // its client does one thing after the other, for results over the broker, which threads would share
}

//go:embed app/*.py
var files embed.FS

// Unpack writes the Python files into a directory.
func Unpack(dir string) error {
	entries, err := files.ReadDir("app")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := files.ReadFile("app/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), text, 0o644); err != nil {
			return fmt.Errorf("unpack the Python files: %w", err)
		}
	}
	return nil
}

func (a App) environ() ([]string, error) {
	conf, err := json.Marshal(a.Conf)
	if err != nil {
		return nil, fmt.Errorf("encode Celery's settings: %w", err)
	}
	if a.Conf == nil {
		conf = nil
	}
	return append(os.Environ(), "LAB_BROKER="+a.Broker, "LAB_BACKEND="+a.Backend, "LAB_QUEUE="+a.Queue, "LAB_CONF="+string(conf),
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "C_FORCE_ROOT=1", "FLOWER_UNAUTHENTICATED_API=true", "PYTHONPATH="+a.Dir), nil
}

// Background starts one of Celery's commands and returns at once. What it prints goes to the file log.
func (c Celery) Background(a App, log string, args ...string) (*Process, error) {
	env, err := a.environ()
	if err != nil {
		return nil, err
	}
	return Start(append([]string{c.Python, "-m", "celery", "-A", "lab"}, args...), env, a.Dir, log)
}

// Worker starts `celery worker` as name (with its @); args are more of its flags. Ready of the process says when it
// takes tasks.
func (c Celery) Worker(a App, name, log string, args ...string) (*Process, error) {
	return c.Background(a, log, append([]string{"worker", "-n", name, "-l", "INFO"}, args...)...)
}

// Ready waits until a worker that Worker started takes tasks, which it prints.
func (p *Process) Ready(ctx context.Context) error { return p.Printed(ctx, " ready.") }

// Command runs Celery's command line to its end and returns what it printed to standard output. It ends with the
// context, and after a minute in any case.
func (c Celery) Command(ctx context.Context, a App, args ...string) (string, error) {
	return c.command(ctx, a, append([]string{"-A", "lab"}, args...))
}

// CommandAt runs it with the broker's URL alone, as an operator does who has no application: nothing of app/lab.py is
// known to it.
func (c Celery) CommandAt(ctx context.Context, a App, args ...string) (string, error) {
	return c.command(ctx, a, append([]string{"-b", a.Broker}, args...))
}

func (c Celery) command(ctx context.Context, a App, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	env, err := a.environ()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, c.Python, append([]string{"-m", "celery"}, args...)...)
	var out, talk bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, a.Dir, &out, &talk
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("celery %s: %w: %s%s", strings.Join(args, " "), err, out.Bytes(), talk.Bytes())
	}
	return out.String(), nil
}
