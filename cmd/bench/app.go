package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"taskbench/cmd/bench/display"
	"taskbench/harness"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/scenario"
)

// An app is one invocation of the command. What it calls of the harness is held in fields, so that a test can
// watch the command without starting servers.
type app struct {
	args           []string
	stdout, stderr io.Writer
	mistakes       []error                         // of whoever typed the command: reported all at once
	shown          atomic.Pointer[display.Display] // the progress of a run, while there is one

	plan  func(context.Context, harness.Request) (harness.Plan, error)
	run   func(context.Context, harness.Plan, harness.Watcher) (harness.Result, error)
	sweep func(context.Context) (leftovers.Report, error)
	now   func() time.Time
	seed  func() uint64
	leave func(code int) // ends the process at once
}

func newApp(args []string, stdout, stderr io.Writer) *app {
	return &app{
		args: args, stdout: stdout, stderr: stderr,
		plan: harness.NewPlan, run: harness.Run, sweep: leftovers.Sweep,
		now: time.Now, seed: randomSeed, leave: os.Exit,
	}
}

// execute runs the command line and returns its exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	return newApp(args, stdout, stderr).execute(context.Background())
}

func (a *app) execute(ctx context.Context) int {
	// Everything that is written passes here, so that no message can leak a password by quoting a URL.
	a.stdout, a.stderr = hideSecrets(a.stdout), hideSecrets(a.stderr)
	ctx, stop := interruptible(ctx, aside{a}, a.leave)
	defer stop()

	root := a.root()
	root.SetArgs(a.args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	a.explain(ctx, cmd, err)
	return exitCode(ctx, err)
}

// An aside is written to stderr at any moment: while progress is shown, so that it is not drawn over.
type aside struct{ *app }

func (a aside) Write(text []byte) (int, error) {
	if d := a.shown.Load(); d != nil {
		return d.Write(text)
	}
	return a.stderr.Write(text)
}

// explain says on stderr what went wrong: a list where it is more than one thing.
func (a *app) explain(ctx context.Context, cmd *cobra.Command, err error) {
	var silent verdict
	if errors.As(err, &silent) && !silent.explain {
		return
	}
	var input harness.InputError
	causes := flatten(err)
	if ctx.Err() != nil { // the interruption was told as it came
		causes = slices.DeleteFunc(causes, func(err error) bool { return errors.Is(err, context.Canceled) })
	}
	switch {
	case len(causes) == 0:
	case !errors.As(err, &input) && len(causes) == 1:
		_, _ = fmt.Fprintf(a.stderr, "bench: %v\n", causes[0])
	case !errors.As(err, &input):
		_, _ = fmt.Fprintf(a.stderr, "bench: %d things went wrong:\n%s", len(causes), bullets(causes))
	case len(causes) == 1:
		_, _ = fmt.Fprintf(a.stderr, "bench: %v\n%s", causes[0], usageHint(cmd))
	default:
		_, _ = fmt.Fprintf(a.stderr, "bench: %d mistakes, nothing was started:\n%s%s", len(causes), bullets(causes), usageHint(cmd))
	}
}

func usageHint(cmd *cobra.Command) string {
	return fmt.Sprintf("`%s --help` shows how it is used.\n", cmd.CommandPath())
}

func bullets(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		b.WriteString("  - " + strings.ReplaceAll(err.Error(), "\n", "\n    ") + "\n")
	}
	return b.String()
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	var input harness.InputError
	if errors.As(err, &input) {
		err = input.Err
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !isJoin(err, joined.Unwrap()) {
		return mistakesIn(err)
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// isJoin tells errors.Join from fmt.Errorf with several %w, whose text is more than its parts.
func isJoin(err error, parts []error) bool {
	return err.Error() == errors.Join(parts...).Error()
}

// mistakesIn takes the mistakes of a scenario apart.
func mistakesIn(err error) []error {
	var problems scenario.Problems
	if !errors.As(err, &problems) {
		return []error{err}
	}
	var all []error
	for _, p := range problems {
		all = append(all, errors.New(p.String()))
	}
	return all
}
