package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// An item is one thing that can be named on the command line or in a scenario.
type item struct {
	Name   string  `json:"name"`
	Doc    string  `json:"doc"`
	Params []param `json:"params,omitempty"` // what it takes, or the ways it comes in
}

type param struct {
	Name    string `json:"name"`
	Doc     string `json:"doc"`
	Type    string `json:"type,omitempty"` // duration, bytes, percentage, count, or the choices joined by |
	Default string `json:"default,omitempty"`
}

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	kinds := slices.Sorted(maps.Keys(inventory))
	c := &cobra.Command{
		Use:       "list [" + strings.Join(kinds, "|") + "]",
		Short:     "List what there is: brokers, pools, tasks, faults, checks, scenarios, ...",
		ValidArgs: kinds,
		RunE: func(c *cobra.Command, args []string) error {
			chosen := kinds
			if len(args) > 0 {
				chosen = args
			}
			for _, kind := range chosen {
				if inventory[kind] == nil {
					a.mistake(unknown("list of", kind, kinds))
				}
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			all := map[string][]item{}
			for _, kind := range chosen {
				items, err := inventory[kind]()
				if err != nil {
					return fmt.Errorf("list %s: %w", kind, err)
				}
				all[kind] = items
			}
			if asJSON {
				return a.printJSON(all)
			}
			for i, kind := range chosen {
				if i > 0 {
					_, _ = fmt.Fprintln(a.stdout)
				}
				printItems(a.stdout, kind, all[kind])
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printItems prints a list for people: names in one column, what they are in the next.
func printItems(out io.Writer, kind string, items []item) {
	_, _ = fmt.Fprintln(out, strings.ToUpper(kind))
	name, inner := 0, 0
	for _, i := range items {
		name = max(name, len(i.Name))
		for _, p := range i.Params {
			inner = max(inner, len(p.Name))
		}
	}
	for _, i := range items {
		_, _ = fmt.Fprintf(out, "  %-*s  %s\n", name, i.Name, i.Doc)
		for _, p := range i.Params {
			_, _ = fmt.Fprintf(out, "    %-*s  %s%s\n", max(inner, name-2), p.Name, p.Doc, typed(p))
		}
	}
}

func typed(p param) string {
	if p.Type == "" {
		return ""
	}
	return " (" + p.Type + ", default " + p.Default + ")"
}
