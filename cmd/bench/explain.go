package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/reports"
	"taskbench/reports/dossier"
)

// explained is how many tasks of each failing check are explained when none is named.
const explained = 3

func (a *app) explainCommand() *cobra.Command {
	var cell string
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain DIR [TASK-ID]",
		Short: "Tell the whole story of one task of a result: every event, the faults in force, the logs, the verdict",
		Long: `explain opens the stored history of a result directory and prints the dossier of one task: each event with its time
since the load began, node, process and attempt; the faults in force; the lines of the logs around; which checks name
it; and in a sentence what became of it and why. The id is as in the findings of a report, or the beginning of one.

Without an id it explains the first tasks that each failing check names.

Exit codes:
  0  explained, or nothing failed
  2  bad usage, no result, or no such task: the nearest is named
  3  a history cannot be read`,
		Example: `  bench explain runs/20260102T150405Z-broker-kill
  bench explain runs/20260102T150405Z-broker-kill 8f7a8e42-469b-8880-b73a-00000000007e --json`,
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 2)
			if err := a.mistaken(); err != nil {
				return err
			}
			books, err := openBooks(args[0], cell)
			if err != nil {
				return err
			}
			list, err := dossiers(books, args[1:])
			if err != nil {
				return inputError(err)
			}
			return a.printDossiers(list, asJSON)
		},
	}
	valueFlag(a, c, &cell, "cell", "CELL", "all", "look in one cell, named as in file names: redis.aof-always.prefork.io.1", anyText)
	c.Flags().BoolVar(&asJSON, "json", false, "print a list of dossiers as JSON")
	return c
}

// openBooks opens the history of every cell of a result, or of the one that is named.
func openBooks(dir, only string) ([]*dossier.Book, error) {
	r, err := reports.Read(dir)
	if err != nil {
		return nil, inputError(err)
	}
	var books []*dossier.Book
	var names []string
	for _, cell := range r.Cells {
		name := dossier.CellName(cell)
		if name == "" {
			continue // it did not run
		}
		names = append(names, name)
		if only != "" && name != only {
			continue
		}
		h, err := ledger.Open(filepath.Join(dir, filepath.Base(cell.History)))
		if err == nil {
			var b *dossier.Book
			b, err = dossier.NewBook(cell, h, os.DirFS(dir))
			books = append(books, b)
		}
		if err != nil {
			return nil, verdict{code: exitUndecided, text: err.Error(), explain: true}
		}
	}
	switch {
	case len(names) == 0:
		return nil, inputError(fmt.Errorf("the result in %s has no history to explain from", dir))
	case len(books) == 0:
		return nil, inputError(fmt.Errorf("--cell %s: %w", only, unknown("cell", only, names)))
	}
	return books, nil
}

// dossiers are those of the task that was asked for, or of the first that failing checks name.
func dossiers(books []*dossier.Book, ids []string) ([]dossier.Dossier, error) {
	if len(ids) == 1 {
		if strings.TrimSpace(ids[0]) == "" {
			return nil, errors.New("the task's id is empty")
		}
		b, seq, err := dossier.Find(books, ids[0])
		if err != nil {
			return nil, err
		}
		d, _ := b.Of(seq)
		return []dossier.Dossier{d}, nil
	}
	list := []dossier.Dossier{}
	for _, b := range books {
		for _, check := range b.Failing() {
			list = append(list, b.First(check, explained)...)
		}
	}
	return list, nil
}

func (a *app) printDossiers(list []dossier.Dossier, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", " ")
		return unprinted(enc.Encode(list))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stdout, "no expectation failed over a task; name one to have it explained")
		return unprinted(err)
	}
	for i, d := range list {
		if i > 0 {
			_, _ = fmt.Fprintln(a.stdout)
		}
		if err := dossier.Text(a.stdout, d); err != nil {
			return unprinted(err)
		}
	}
	return nil
}

// unprinted marks an error of writing to stdout.
func unprinted(err error) error {
	if err == nil {
		return nil
	}
	return harness.EnvironmentError{Err: fmt.Errorf("print: %w", err)}
}
