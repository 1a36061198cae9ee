// Command judge tries the checks: it plants bugs in a simulated system and under the real worker, and holds what the
// checks find against what was planted; and it shows them healthy systems, which they must not blame. It prints a
// table and ends with code 1 when anything was missed or blamed. `make judge` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	o := options{}
	flag.IntVar(&o.seeds, "seeds", 3, "seeds with which each simulated bug is tried; each real one is tried with one less, and one at least")
	flag.IntVar(&o.healthy, "healthy", 200, "healthy simulated runs")
	flag.DurationVar(&o.real, "real", 30*time.Second, "for how long healthy runs of the real worker are begun")
	flag.Parse()
	if o.seeds < 1 || o.healthy < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "judge: -seeds and -healthy must be at least 1, and there are no arguments")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, o))
}

func run(ctx context.Context, o options) int {
	dir, err := os.MkdirTemp("", "taskbench-judge-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "judge: make a directory:", err)
		return 4
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	j := &judgement{dir: dir}
	j.try(ctx, o)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "judge: interrupted")
		return 130
	}
	if err := j.show(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "judge: print the table:", err)
		return 4
	}
	fmt.Fprintf(os.Stderr, "took %.0f s\n", time.Since(began).Seconds())
	if !j.right() {
		return 1
	}
	return 0
}
