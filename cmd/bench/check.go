package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/harness/checks"
	"taskbench/harness/ledger"
	"taskbench/reports"
	"taskbench/reports/units"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR",
		Short: "Judge the stored histories of a result again, with today's checks",
		Long: `check reads the history of every cell in a result directory, counts what became of each task with the checks of
this version, and compares that with what result.json says. Nothing is written.

Of a long run that was killed it judges the pieces of the history that were stored, one after the other, and says
where they end and what is not known.

Exit codes:
  0  every history is judged as it was
  1  one is judged differently: the difference is printed
  2  bad usage, or no result
  3  a cell has no history that can be read, or the run was cut short`,
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			if err := a.mistaken(); err != nil {
				return err
			}
			r, err := reports.Read(args[0])
			if err != nil {
				return inputError(err)
			}
			return a.judgeAgain(args[0], r)
		},
	}
}

func (a *app) judgeAgain(dir string, r harness.Result) error {
	differ, unread, cut := 0, 0, 0
	for i, cell := range r.Cells {
		if cell.Outcome == harness.Unfit {
			continue
		}
		name := fmt.Sprintf("%s:%s %s %s %d", cell.Broker, cell.Variant, cell.Pool, cell.Workload, cell.Repeat)
		if r.InProgress && i == len(r.Cells)-1 {
			cut++
			lines, err := judgeCut(dir, cell)
			if err != nil {
				lines = []string{err.Error()}
			}
			_, _ = fmt.Fprintf(a.stdout, "cell %d, %s: cut short\n    %s\n", i+1, name, strings.Join(lines, "\n    "))
			continue
		}
		differences, err := judgeCell(dir, cell)
		switch {
		case err != nil:
			unread++
			_, _ = fmt.Fprintf(a.stdout, "cell %d, %s: %v\n", i+1, name, err)
		case len(differences) > 0:
			differ++
			_, _ = fmt.Fprintf(a.stdout, "cell %d, %s: judged differently\n    %s\n", i+1, name, strings.Join(differences, "\n    "))
		default:
			_, _ = fmt.Fprintf(a.stdout, "cell %d, %s: as it was judged\n", i+1, name)
		}
	}
	switch {
	case cut > 0:
		return verdict{code: exitUndecided, text: "the run ended before it was judged", explain: true}
	case unread > 0:
		return verdict{code: exitUndecided, text: fmt.Sprintf("%s without a history that can be read", units.Plural(unread, "cell")), explain: true}
	case differ > 0:
		return verdict{code: exitFailed, text: fmt.Sprintf("%s judged differently", units.Plural(differ, "cell"))}
	}
	return nil
}

// judgeCell returns what today's checks say otherwise than the result.
func judgeCell(dir string, cell harness.Cell) ([]string, error) {
	if cell.History == "" {
		return nil, errors.New("it has no history")
	}
	h, err := ledger.Open(filepath.Join(dir, filepath.Base(cell.History)))
	if err != nil {
		return nil, err
	}
	counts, guarantee, _ := harness.Judge(h)
	var differences []string
	was, is := reflect.ValueOf(cell.Counts), reflect.ValueOf(counts)
	for i := range was.NumField() {
		if before, now := was.Field(i).Interface(), is.Field(i).Interface(); before != now {
			name := strings.ToLower(was.Type().Field(i).Name)
			differences = append(differences, fmt.Sprintf("%s: %v, and was %v", name, now, before))
		}
	}
	if guarantee != cell.Guarantee {
		differences = append(differences, fmt.Sprintf("guarantee: %s, and was %s", guarantee, cell.Guarantee))
	}
	return differences, nil
}

// judgeCut tells what is known of a cell whose run was killed, a line each.
func judgeCut(dir string, cell harness.Cell) ([]string, error) {
	if cell.History == "" {
		return []string{"no piece of its history was stored"}, nil
	}
	h, err := ledger.Open(filepath.Join(dir, filepath.Base(cell.History)))
	if err != nil {
		return nil, err
	}
	report := checks.Run(h)
	c := report.Counts
	lines := []string{
		harness.Cut(h),
		fmt.Sprintf("%d attempted, %d acknowledged, %d refused, %d unknown; %d executed, %d failed", c.Attempted, c.Acknowledged, c.Refused, c.Unknown, c.Executed, c.Failed),
		fmt.Sprintf("%d acknowledged were not seen to be run to their end: whether they are lost is not known", c.Lost),
	}
	for _, v := range report.Verdicts {
		if v.Outcome == checks.Found {
			lines = append(lines, fmt.Sprintf("%s: %d", v.Name, v.Count))
		}
	}
	return lines, nil
}
