package scenario

import (
	"maps"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// words is a list of single words.
type words struct{ to *[]string }

func (w words) read(r *reader, path string, n ast.Node) {
	*w.to = nil
	for i, item := range r.sequence(path, n) {
		at := join(path, strconv.Itoa(i))
		r.note(at, item)
		if word, ok := r.text(at, item); ok {
			*w.to = append(*w.to, word)
		}
	}
}

func (w words) write() any {
	if len(*w.to) == 0 {
		return nil
	}
	return *w.to
}

// A distribution is one duration, always the same, or a mapping with its kind under dist.
type distribution struct{ to *Dist }

func (v distribution) read(r *reader, path string, n ast.Node) {
	*v.to = Dist{Kind: "constant"}
	if _, ok := n.(ast.ScalarNode); ok {
		duration(&v.to.P50).read(r, path, n)
		return
	}
	given := []string{}
	for key := range r.mapping(path, n) {
		given = append(given, key)
	}
	before := len(r.problems)
	v.table().read(r, path, n)
	if len(r.problems) > before {
		return
	}
	needs := distKinds[v.to.Kind]
	for _, key := range needs {
		if !slices.Contains(given, key) {
			r.wrong(path, v.to.Kind+" needs "+key)
		}
	}
	for _, key := range given {
		if key != "dist" && !slices.Contains(needs, key) {
			r.wrong(join(path, key), v.to.Kind+" takes no "+key)
		}
	}
}

func (v distribution) table() block {
	d := v.to
	return block{fields: []field{
		{"dist", oneOf(&d.Kind, "distribution", slices.Sorted(maps.Keys(distKinds))...)},
		{"p50", duration(&d.P50)}, {"p99", duration(&d.P99)},
		{"min", duration(&d.Min)}, {"max", duration(&d.Max)},
		{"mean", duration(&d.Mean)},
	}}
}

func (v distribution) write() any {
	switch v.to.Kind {
	case "":
		return nil
	case "constant":
		return FormatDuration(v.to.P50)
	}
	out := yaml.MapSlice{{Key: "dist", Value: v.to.Kind}}
	for _, key := range distKinds[v.to.Kind] {
		// Written even when it is 0: all keys of a kind are needed.
		f, _ := v.table().child(key)
		text := f.write()
		if text == nil {
			text = "0s"
		}
		out = append(out, yaml.MapItem{Key: key, Value: text})
	}
	return out
}

// expects is the list of expectations: expressions, and mappings of a condition under when to a list of
// expressions under then.
type expects struct{ to *[]Expect }

func (e expects) read(r *reader, path string, n ast.Node) {
	*e.to = nil
	for i, item := range r.sequence(path, n) {
		at := join(path, strconv.Itoa(i))
		r.note(at, item)
		if _, ok := item.(ast.ScalarNode); ok {
			e.add(r, at, "", item)
			continue
		}
		var when string
		var then []ast.Node
		for key, v := range r.mapping(at, item) {
			r.note(join(at, key), v)
			switch key {
			case "when":
				when, _ = r.text(join(at, key), v)
			case "then":
				then = r.sequence(join(at, key), v)
			default:
				r.wrong(join(at, key), unknown("key", key, []string{"when", "then"}))
			}
		}
		if when == "" || len(then) == 0 {
			r.wrong(at, "want an expression, or when: with a condition and then: with a list of expressions")
		}
		for j, v := range then {
			below := join(join(at, "then"), strconv.Itoa(j))
			r.note(below, v)
			e.add(r, below, when, v)
		}
	}
}

func (e expects) add(r *reader, path, when string, n ast.Node) {
	if expr, ok := r.text(path, n); ok {
		*e.to = append(*e.to, Expect{When: when, Expr: expr, Line: r.line(path)})
	}
}

func (e expects) write() any {
	var out []any
	for i := 0; i < len(*e.to); i++ {
		when := (*e.to)[i].When
		if when == "" {
			out = append(out, (*e.to)[i].Expr)
			continue
		}
		then := []string{(*e.to)[i].Expr}
		for i+1 < len(*e.to) && (*e.to)[i+1].When == when {
			i++
			then = append(then, (*e.to)[i].Expr)
		}
		out = append(out, yaml.MapSlice{{Key: "when", Value: when}, {Key: "then", Value: then}})
	}
	if out == nil {
		return nil
	}
	return out
}
