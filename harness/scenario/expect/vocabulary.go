package expect

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"

	"taskbench/brokers/nearest"
	"taskbench/harness/checks"
)

// A Vocabulary is the names that expressions may use, and their types.
type Vocabulary struct{ types types.Map }

// Groups of nodes whose resources are known by name, and the phases of a run.
var (
	groups = []string{"worker", "broker"}
	phases = []string{"warmup", "steady", "fault", "recovery", "drain"}
)

// NewVocabulary takes the names from the JSON names of the struct that results are made of, harness.Cell, so that
// an expression can speak of whatever a result holds:
//
//   - every member of counts by itself: lost, duplicated, ...
//   - every member that is a word or a number: broker, pool, system, acks, lab, workers, ..., and those of other
//     structs in it: load.rate
//   - variant.name and variant.durability
//   - throughput.completed, recovery.first_completion, latency.due_to_finish.p99 (for each of the stages)
//   - the same in one phase: phase.recovery.throughput.completed, phase.steady.latency.due_to_finish.p99
//   - check.order, check.eta_late, ...: how much each check found, by its name; not seen where it is undecided
//   - worker.rss_peak, worker.rss_slope, ...: of the worker that has most of it; cpu_seconds of all together.
//     Likewise resources.worker and, since broker is the broker's name, resources.broker
//
// It panics when the struct has no such members, which is a programming error.
func NewVocabulary(cell any, stages []string) *Vocabulary {
	t := reflect.TypeOf(cell)
	names := types.Map{}
	var latency types.Type
	for i := range t.NumField() {
		f := t.Field(i)
		switch key := jsonName(f); key {
		case "counts":
			maps.Copy(names, members(f.Type))
		case "checks":
			found := types.Map{}
			for _, c := range checks.All() {
				found[word(c.Name)] = types.Float64
			}
			names["check"] = found
		case "throughput", "recovery":
			names[key] = members(f.Type)
		case "latency":
			of := types.Map{}
			for _, stage := range stages {
				of[stage] = members(f.Type.Elem())
			}
			latency = of
			names[key] = latency
		case "resources":
			resources := types.Map{}
			for _, group := range groups {
				amounts := members(f.Type.Elem())
				maps.DeleteFunc(amounts, func(_ string, t types.Type) bool { return t != types.Float64 })
				resources[group] = amounts
			}
			names[key] = resources
			names["worker"] = resources["worker"]
		default:
			if k := kind(f.Type); k != nil {
				names[key] = k
			} else if f.Type.Kind() == reflect.Struct && len(members(f.Type)) > 0 {
				names[key] = members(f.Type)
			}
		}
	}
	names["variant"] = types.Map{"name": types.String, "durability": types.String}
	phase := types.Map{}
	for _, p := range phases {
		phase[p] = types.Map{"throughput": names["throughput"], "latency": latency}
	}
	names["phase"] = phase
	return &Vocabulary{names}
}

// word is the name of a check as expressions have it: a hyphen would be a minus.
func word(check string) string { return strings.ReplaceAll(check, "-", "_") }

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	// A slope is by the second, as all rates in expressions are.
	return strings.TrimSuffix(name, "_per_s")
}

func members(t reflect.Type) types.Map {
	m := types.Map{}
	for i := range t.NumField() {
		if k := kind(t.Field(i).Type); k != nil {
			m[jsonName(t.Field(i))] = k
		}
	}
	return m
}

// kind is how expressions see a type: words and numbers, and nothing else.
func kind(t reflect.Type) types.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.String:
		return types.String
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64:
		return types.Float64
	}
	return nil
}

// Names lists every path that an expression may use, in order.
func (v *Vocabulary) Names() []string {
	var all []string
	var walk func(prefix string, m types.Map)
	walk = func(prefix string, m types.Map) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if below, ok := m[key].(types.Map); ok {
				walk(prefix+key+".", below)
			} else {
				all = append(all, prefix+key)
			}
		}
	}
	walk("", v.types)
	return all
}

// names finds what an expression speaks of that does not exist, and kinds of expression that have no place here.
func (v *Vocabulary) names(n ast.Node) error {
	c := &namer{v: v}
	ast.Walk(&n, c)
	for _, path := range paths(n) {
		c.errs = append(c.errs, v.lookup(path))
	}
	return errors.Join(c.errs...)
}

type namer struct {
	v    *Vocabulary
	errs []error
}

// Visit implements ast.Visitor.
func (c *namer) Visit(n *ast.Node) {
	switch n := (*n).(type) {
	case *ast.IdentifierNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.NilNode,
		*ast.UnaryNode, *ast.BinaryNode, *ast.ArrayNode, *ast.ConditionalNode, *ast.BuiltinNode:
	case *ast.MemberNode:
		if _, ok := n.Property.(*ast.StringNode); !ok {
			c.errs = append(c.errs, fmt.Errorf("%s: only plain names can follow a dot", n))
		}
	default:
		c.errs = append(c.errs, fmt.Errorf("%s: expectations compare names with values, and nothing more", n))
	}
}

func (v *Vocabulary) lookup(path string) error {
	var at types.Type = v.types
	done := ""
	for key := range strings.SplitSeq(path, ".") {
		m, ok := at.(types.Map)
		if !ok {
			return fmt.Errorf("%s has no parts", done)
		}
		if at, ok = m[key]; !ok {
			return v.unknown(path, done, key, m)
		}
		done = strings.TrimPrefix(done+"."+key, ".")
	}
	if m, ok := at.(types.Map); ok {
		return fmt.Errorf("%s is not one value: it has %s", path, strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	return nil
}

func (v *Vocabulary) unknown(path, done, key string, m types.Map) error {
	known := slices.Sorted(maps.Keys(m))
	prefix := ""
	if done != "" {
		prefix = done + "."
	}
	if near := nearest.Name(key, known); near != "" {
		return fmt.Errorf("unknown name %s: did you mean %s%s?", path, prefix, near)
	}
	if done != "" {
		return fmt.Errorf("unknown name %s: %s has %s", path, done, strings.Join(known, ", "))
	}
	return fmt.Errorf("unknown name %s: there is %s", path, strings.Join(known, ", "))
}

// paths are the names in an expression, with their parts joined by dots.
func paths(n ast.Node) []string {
	var all []string
	inner := map[ast.Node]bool{}
	ast.Walk(&n, visitor(func(n ast.Node) {
		// Children are visited before their parents: a longer path replaces its beginning.
		if m, ok := n.(*ast.MemberNode); ok && dotted(m.Node) != "" {
			inner[m.Node] = true
		}
	}))
	ast.Walk(&n, visitor(func(n ast.Node) {
		if p := dotted(n); p != "" && !inner[n] && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}))
	return all
}

type visitor func(ast.Node)

func (v visitor) Visit(n *ast.Node) { v(*n) }

func dotted(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.MemberNode:
		key, ok := n.Property.(*ast.StringNode)
		if before := dotted(n.Node); ok && before != "" {
			return before + "." + key.Value
		}
	}
	return ""
}
