package scenario

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// A block is a mapping with fixed keys.
type block struct {
	fields []field
	// rest takes the keys that are not among the fields; nil makes them mistakes.
	rest func(key string) value
	// extra are the keys of rest that are to be written.
	extra func() []field
}

func (b block) read(r *reader, path string, n ast.Node) {
	for key, node := range r.mapping(path, n) {
		at := join(path, key)
		r.note(at, node)
		switch v, ok := b.child(key); {
		case ok:
			v.read(r, at, node)
		case b.rest != nil:
			b.rest(key).read(r, at, node)
		default:
			r.wrong(at, unknown("key", key, keys(b.fields)))
		}
	}
}

func (b block) child(key string) (value, bool) {
	i := slices.IndexFunc(b.fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return nil, false
	}
	return b.fields[i].value, true
}

func (b block) write() any {
	fields := b.fields
	if b.extra != nil {
		fields = append(slices.Clone(fields), b.extra()...)
	}
	var out yaml.MapSlice
	for _, f := range fields {
		if v := f.write(); v != nil {
			out = append(out, yaml.MapItem{Key: f.key, Value: v})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// A list is a sequence of blocks. Reading one replaces what was there.
type list[T any] struct {
	to   *[]T
	item func(t *T) value
	line func(t *T, line int) // told where each item begins; may be nil
}

func (l list[T]) read(r *reader, path string, n ast.Node) {
	items := r.sequence(path, n)
	*l.to = make([]T, len(items))
	for i, node := range items {
		at := join(path, strconv.Itoa(i))
		r.note(at, node)
		if l.line != nil {
			l.line(&(*l.to)[i], r.line(at))
		}
		l.item(&(*l.to)[i]).read(r, at, node)
	}
	if len(items) == 0 {
		*l.to = nil
	}
}

// child is one item, or the item after the last, which does not exist yet and is an error.
func (l list[T]) child(key string) (value, error) {
	i, err := strconv.Atoi(key)
	if err != nil || i < 0 || i >= len(*l.to) {
		return nil, fmt.Errorf("no item %s: there are %d, counted from 0", key, len(*l.to))
	}
	return l.item(&(*l.to)[i]), nil
}

func (l list[T]) write() any {
	var out []any
	for i := range *l.to {
		out = append(out, l.item(&(*l.to)[i]).write())
	}
	if out == nil {
		return nil
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
