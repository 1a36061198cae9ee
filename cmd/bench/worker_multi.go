package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"taskbench/harness"
)

// How processes of workers that end by themselves are started again: at once, unless they end so soon that this would
// only be busy work.
const (
	soonEnded = 5 * time.Second
	startWait = 2 * time.Second
)

func (a *app) multiCommand() *cobra.Command {
	var e endpoint
	s := workerSetup{}
	workers := 2
	c := &cobra.Command{
		Use:   "multi --workers N [the flags of bench worker]",
		Short: "Run several workers on this host, and start again those that die",
		Long: `multi runs so many processes of bench worker, each with all the other flags, and starts a process again that has
died. One that was told to stop, by a signal or by remote control, stays away, and multi ends with the last of them.
%i in a flag is the worker's number, from 1 on; the name gets it where it has none. When multi is interrupted, it
stops its workers and waits for them.`,
		Example: `  bench worker multi --workers 3 --broker redis://127.0.0.1/0 -n w%i@%h --pidfile /run/bench-%i.pid`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			_, _, _, err := e.find()
			a.mistake(err)
			s.bind(a)
			if s.withBeat && workers > 1 && (s.beat.lock == "none" || s.beat.lock == "" && !inDatabase(s.beat.schedule)) {
				a.mistake(errors.New("--beat: each of the workers would send every tick; --lock says where they agree on one"))
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			return a.multi(c.Context(), workers, withoutFlag(a.args, "--workers"))
		},
	}
	e.flags(a, c)
	s.flags(a, c)
	valueFlag(a, c, &workers, "workers", "N", strconv.Itoa(workers), "how many", atLeast(1))
	return c
}

// withoutFlag are the arguments of a command line after its commands, but for one flag and its value.
func withoutFlag(args []string, flag string) []string {
	var rest []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == flag:
			i++
		case strings.HasPrefix(args[i], flag+"="), len(rest) == 0 && !strings.HasPrefix(args[i], "-"):
		default:
			rest = append(rest, args[i])
		}
	}
	return rest
}

// numbered are the arguments of one of several workers.
func numbered(args []string, i int) []string {
	named := false
	out := []string{"worker"}
	for _, arg := range args {
		for _, flag := range []string{"-n", "--name", "--hostname"} {
			named = named || arg == flag || strings.HasPrefix(arg, flag+"=") || flag == "-n" && strings.HasPrefix(arg, flag)
		}
		out = append(out, strings.ReplaceAll(arg, "%i", strconv.Itoa(i)))
	}
	if !named {
		out = append(out, "--name", fmt.Sprintf("worker%d", i))
	}
	return out
}

// multi runs the workers until ctx ends.
func (a *app) multi(ctx context.Context, n int, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("find this program: %w", err)}
	}
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = a.supervise(ctx, self, i+1, numbered(args, i+1)) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return harness.EnvironmentError{Err: err}
	}
	return nil
}

// supervise runs one worker until ctx ends, again whenever its process has died, and not when it was told to stop. One
// that cannot be started, or says that its flags are wrong, is an error.
func (a *app) supervise(ctx context.Context, self string, i int, args []string) error {
	for {
		cmd := exec.Command(self, args...)
		cmd.Stdout, cmd.Stderr = a.stdout, a.stderr
		cmd.SysProcAttr = ownGroup()
		began := time.Now()
		started, ended := make(chan error), make(chan error, 1)
		go func() {
			runtime.LockOSThread() // Linux takes the end of the thread for the parent's death
			err := cmd.Start()
			started <- err
			if err == nil {
				ended <- cmd.Wait()
			}
		}()
		if err := <-started; err != nil {
			return fmt.Errorf("start worker %d: %w", i, err)
		}
		_, _ = fmt.Fprintf(a.stderr, "worker %d is process %d\n", i, cmd.Process.Pid) // nobody hears what stderr does not take
		var err error
		select {
		case err = <-ended:
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
			<-ended                                 //nolint:errcheck // it ends as it was told to
			return nil
		}
		switch cmd.ProcessState.ExitCode() {
		case exitOK:
			_, _ = fmt.Fprintf(a.stderr, "worker %d has stopped as it was told to\n", i)
			return nil
		case exitUsage:
			return fmt.Errorf("worker %d: its flags are wrong", i)
		}
		_, _ = fmt.Fprintf(a.stderr, "worker %d has ended (%v) and is started again\n", i, err)
		if time.Since(began) < soonEnded {
			select {
			case <-time.After(startWait):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// alive tells whether there is a process of that id.
func alive(pid int) bool { return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
