package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"taskbench/worker/beat"
)

// A Problem is one mistake in a schedule file.
type Problem struct {
	File string
	Line int // 0 where no line is to blame
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems are all mistakes of one file, as an error: one line each, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Parse reads a schedule. The name is for messages, and where it ends in .json the data is JSON. Crontabs that name no
// time zone, in a file that names none, are in zone; nil is UTC. The error is all mistakes, as Problems.
func Parse(name string, data []byte, zone *time.Location) ([]beat.Entry, error) {
	r := &reader{file: name, zone: zone}
	if strings.HasSuffix(name, ".json") {
		if p, ok := r.checkJSON(data); !ok {
			return nil, Problems{p}
		}
		// Its white space may hold tabs, which YAML forbids; its strings cannot.
		data = []byte(strings.ReplaceAll(string(data), "\t", " "))
	}
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{r.syntax(err)}
	}
	var docs []ast.Node
	for _, d := range f.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	if len(docs) != 1 {
		return nil, Problems{{File: name, Text: fmt.Sprintf("want one document with the key entries, found %d", len(docs))}}
	}
	entries := r.document(docs[0])
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, r.problems
	}
	return entries, nil
}

// checkJSON tells where JSON is not JSON, in its own words.
func (r *reader) checkJSON(data []byte) (Problem, bool) {
	var any json.RawMessage
	err := json.Unmarshal(data, &any)
	var bad *json.SyntaxError
	if err == nil {
		return Problem{}, true
	}
	p := Problem{File: r.file, Text: "not JSON: " + err.Error()}
	if errors.As(err, &bad) {
		p.Line = 1 + strings.Count(string(data[:min(int(bad.Offset), len(data))]), "\n")
	}
	return p, false
}

func (r *reader) syntax(err error) Problem {
	p := Problem{File: r.file, Text: err.Error()}
	var bad yaml.Error
	if errors.As(err, &bad) {
		p.Text = "not YAML: " + bad.GetMessage()
		if t := bad.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
		}
	}
	return p
}

// document reads the whole file.
func (r *reader) document(n ast.Node) []beat.Entry {
	var entries []beat.Entry
	var list ast.Node
	for _, f := range r.mapping(n, "the file") {
		switch f.key {
		case "timezone":
			r.location(f)
		case "entries":
			list = f.value
		default:
			r.unknown(f, []string{"timezone", "entries"})
		}
	}
	if list == nil {
		if len(r.problems) == 0 {
			r.wrong(n, "the key entries is missing")
		}
		return nil
	}
	for _, f := range r.mapping(list, "entries") {
		entries = append(entries, r.entry(f))
	}
	return entries
}
