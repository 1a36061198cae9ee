package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
)

// What was found of a server's binaries.
type found struct {
	lacks string // what there is not; "" when the server can be started
	made  bool   // it is the program that Go makes, or has made
}

// find looks for the binaries on PATH, and where they are not there, or will not do, for the program. It makes nothing.
func (l processes) find(ctx context.Context, spec brokers.ServerSpec) found {
	var lacks []string
	if !l.alone {
		why := onPath(ctx, spec)
		if why == "" {
			return found{}
		}
		if spec.Program == "" {
			return found{lacks: why}
		}
		lacks = append(lacks, why)
	}
	switch {
	case spec.Program.Found() != "":
		return found{made: true}
	case !l.Make:
		lacks = append(lacks, spec.Program.String()+" has not been built here; name the broker, and Go builds it")
	default:
		if _, err := exec.LookPath("go"); err == nil {
			return found{made: true}
		}
		lacks = append(lacks, spec.Program.String()+" has not been built here, and "+brokers.ErrNoGo.Error())
	}
	return found{lacks: strings.Join(lacks, ", and ")}
}

// onPath says which of the binaries is not on PATH, or will not do, or "".
func onPath(ctx context.Context, spec brokers.ServerSpec) string {
	for _, names := range spec.Binaries {
		path := brokers.Binary(names)
		if path == "" {
			return strings.ReplaceAll(names, "|", " or ") + " is not on PATH"
		}
		if why := spec.Unfit(ctx, path); why != "" {
			return why
		}
	}
	return ""
}

// Makes is as lab.Maker has it.
func (l processes) Makes(ctx context.Context, d brokers.Driver) string {
	if f := l.find(ctx, d.Server); f.lacks != "" || !f.made || d.Server.Program.Found() != "" {
		return ""
	}
	return d.Server.Program.String()
}

// binary returns the path of the server where it is a program, which is made if need be; "" is one on PATH.
func (l processes) binary(ctx context.Context, spec brokers.ServerSpec, register *leftovers.Register) (string, error) {
	if !l.find(ctx, spec).made {
		return "", nil
	}
	return spec.Program.Make(ctx, brokers.Workbench{
		Claim: func(dir string) (func() error, error) {
			claim, err := register.Claim(leftovers.Thing{Kind: leftovers.Directory, Name: dir})
			if err != nil {
				return nil, err
			}
			return claim.Release, nil
		},
		Run: func(cmd *exec.Cmd) error { return run(cmd, register) },
	})
}

// run runs a command to its end as servers are run: it does not outlive this process, and a sweep finds its children.
func run(cmd *exec.Cmd, register *leftovers.Register) error {
	claim, err := register.Claim(leftovers.Thing{Kind: leftovers.Process, Name: filepath.Base(cmd.Path) + " " + cmd.Args[1]})
	if err != nil {
		return err
	}
	log := filepath.Join(cmd.Dir, "go.log")
	cmd.Env = append(cmd.Env, register.Owner().Env(false)...)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	l, err := begin(cmd, log, claim, false)
	if err != nil {
		return errors.Join(err, claim.Release())
	}
	<-l.done
	if err := claim.Release(); err != nil {
		return err
	}
	if !l.state.Success() {
		return fmt.Errorf("%v; it said:\n%s", l.state, lab.Tail(log, 20))
	}
	return nil
}
