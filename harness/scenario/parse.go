package scenario

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Parse reads one scenario. The file's name is for messages only. The error is all mistakes, as Problems: those
// of the short block are told in either profile.
func Parse(file string, data []byte, k Known, p Profile) (Scenario, error) {
	r := &reader{file: file, lines: map[string]int{}}
	doc, err := document(data)
	if err != nil {
		return Scenario{}, r.syntax(err)
	}
	full := Scenario{File: file}
	var short ast.Node
	table := full.table()
	for key, node := range r.mapping("", doc) {
		r.note(key, node)
		switch v, ok := table.child(key); {
		case ok:
			v.read(r, key, node)
		case key == "short":
			short = node
		default:
			r.wrong(key, unknown("key", key, append(keys(table.fields), "short")))
		}
	}
	chosen := full.judged(r, k)
	if short != nil {
		// The same keys again, over what the file says; their lines replace those of what they change.
		s := &reader{file: file, lines: maps.Clone(r.lines)}
		full.shortTable().read(s, "", short)
		shorter := full.judged(s, k)
		for _, p := range s.problems {
			if !slices.Contains(r.problems, p) {
				p.Text += " (in the short profile)"
				r.problems = append(r.problems, p)
			}
		}
		if p == Short {
			chosen = shorter
		}
	}
	return chosen, r.problems.asError()
}

// ParseFile is Parse of a file on disk.
func ParseFile(file string, k Known, p Profile) (Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	return Parse(file, data, k, p)
}

// judged is the scenario with its defaults, after its mistakes were told to the reader. What could not be read
// is not judged: one mistake should not be told as two.
func (s Scenario) judged(r *reader, k Known) Scenario {
	s.fill(k)
	unread := slices.Clone(r.problems)
	judge{reader: r, Known: k, s: &s}.all()
	r.problems = slices.DeleteFunc(r.problems, func(p Problem) bool {
		return !slices.Contains(unread, p) && unread.touch(p.Path)
	})
	return s
}

func document(data []byte) (ast.Node, error) {
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, fmt.Errorf("want one YAML document, found %d", bodies(f))
	}
	return f.Docs[0].Body, nil
}

func bodies(f *ast.File) int {
	n := 0
	for _, d := range f.Docs {
		if d.Body != nil {
			n++
		}
	}
	return n
}

// syntax is the mistake that made the file unreadable as YAML.
func (r *reader) syntax(err error) error {
	p := Problem{File: r.file, Text: err.Error()}
	var bad yaml.Error
	if errors.As(err, &bad) {
		p.Text = "not YAML: " + bad.GetMessage()
		if t := bad.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
			if near := strings.TrimSpace(t.Value); near != "" {
				p.Text += fmt.Sprintf(", at %q", near)
			}
		}
	}
	return Problems{p}
}
