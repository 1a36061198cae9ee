package brokertest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"taskbench/brokers"
)

// Matrix writes which clause applies to which variant of which driver, as the variants' own promises have it: "yes",
// or why not. A weakened promise is a changed line.
func Matrix(w io.Writer, drivers []brokers.Driver) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := []string{"clause", "takes a way to"}
	for _, d := range drivers {
		for _, v := range d.Variants {
			header = append(header, d.Name+":"+v.Name)
		}
	}
	lines := []string{strings.Join(header, "\t")}
	for _, c := range Clauses() {
		line := []string{c.Name, hooks(c)}
		for _, d := range drivers {
			for _, v := range d.Variants {
				if why := Unfit(c, d, v); why != "" {
					line = append(line, why)
				} else {
					line = append(line, "yes")
				}
			}
		}
		lines = append(lines, strings.Join(line, "\t"))
	}
	if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("write clause matrix: %w", err)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write clause matrix: %w", err)
	}
	return nil
}

func hooks(c Clause) string {
	var names []string
	for _, h := range c.Hooks {
		if h != Server {
			names = append(names, string(h))
		}
	}
	if names == nil {
		return "-"
	}
	return strings.Join(names, ", ")
}
