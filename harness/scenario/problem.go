package scenario

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers/nearest"
)

// A Problem is one mistake in a scenario.
type Problem struct {
	File string // "" for a mistake on the command line
	Line int    // 0 where no line is to blame
	Path string // "load.rate"
	Text string
}

func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	return b.String() + p.Text
}

// Problems are all mistakes of one scenario, as an error: one line each, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// touch tells whether one of them is about the path or something inside it.
func (ps Problems) touch(path string) bool {
	return path != "" && slices.ContainsFunc(ps, func(p Problem) bool {
		return p.Path == path || strings.HasPrefix(p.Path, path+".")
	})
}

// asError is nil when there are none. A mistake that both profiles share is told once.
func (ps Problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
	var once Problems
	for _, p := range ps {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	return once
}

// unknown says that a name is not known, which one may have been meant, and which there are.
func unknown(what, got string, known []string) string {
	text := fmt.Sprintf("unknown %s %q", what, got)
	if near := nearest.Name(got, known); near != "" {
		return fmt.Sprintf("%s: did you mean %s?", text, near)
	}
	if len(known) == 0 {
		return text
	}
	return fmt.Sprintf("%s: there is %s", text, strings.Join(known, ", "))
}
