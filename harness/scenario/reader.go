package scenario

import (
	"iter"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A reader walks a syntax tree and collects mistakes, and the line of every value.
type reader struct {
	file     string
	lines    map[string]int // by path
	problems Problems
}

// wrong notes a mistake down, at the line of the path or of the nearest thing around it that has one.
func (r *reader) wrong(path, text string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: r.line(path), Path: path, Text: text})
}

func (r *reader) line(path string) int {
	for {
		if line, ok := r.lines[path]; ok {
			return line
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
}

// note remembers where the value of a path stands.
func (r *reader) note(path string, n ast.Node) {
	if t := n.GetToken(); t != nil && t.Position != nil && r.file != "" {
		r.lines[path] = t.Position.Line
		if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
			// A block's own token is its first colon.
			r.lines[path] = m.Values[0].Key.GetToken().Position.Line
		}
	}
}

// text is the word at a node.
func (r *reader) text(path string, n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		r.wrong(path, "a value is missing")
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		r.wrong(path, "anchors, aliases and tags are not supported: write the value out")
	default:
		r.wrong(path, "want one word, not a list or a mapping")
	}
	return "", false
}

// mapping yields the keys and values of a mapping.
func (r *reader) mapping(path string, n ast.Node) iter.Seq2[string, ast.Node] {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.wrong(path, "want a mapping of keys to values")
	}
	return func(yield func(string, ast.Node) bool) {
		var seen []string
		for _, v := range values {
			key := v.Key.GetToken().Value
			if slices.Contains(seen, key) {
				r.note(join(path, key), v.Key)
				r.wrong(join(path, key), "the key is there twice")
				continue
			}
			seen = append(seen, key)
			value := v.Value
			if value == nil || value.Type() == ast.NullType {
				value = ast.Null(v.Key.GetToken()) // so that the mistake has the line of its key
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// sequence is the items of a list.
func (r *reader) sequence(path string, n ast.Node) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrong(path, "want a list")
		return nil
	}
	return s.Values
}
