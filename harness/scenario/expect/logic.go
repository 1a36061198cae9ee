package expect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// A node is an expression that is held, not held or undecided. The connectives know three values, so that
// `lost == 0 || recovery.first_publish < 1s` is decided where its first half is.
type node interface{ judge(Facts) Verdict }

// split takes the connectives apart, down to expressions that know only true and false.
func (v *Vocabulary) split(n ast.Node) (node, error) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			inner, err := v.split(n.Node)
			return not{inner, n.Node}, err
		}
	case *ast.BinaryNode:
		and := n.Operator == "&&" || n.Operator == "and"
		if and || n.Operator == "||" || n.Operator == "or" {
			left, lerr := v.split(n.Left)
			right, rerr := v.split(n.Right)
			return pair{and, left, right}, errors.Join(lerr, rerr)
		}
	}
	return v.leaf(n)
}

type not struct {
	inner node
	text  ast.Node
}

func (x not) judge(f Facts) Verdict { return negated(x.inner.judge(f), x.text) }

// A pair is two expressions joined by and, or else by or.
type pair struct {
	and         bool
	left, right node
}

func (p pair) judge(f Facts) Verdict {
	decisive := Held
	if p.and {
		decisive = NotHeld
	}
	left := p.left.judge(f)
	if left.Outcome == decisive {
		return left
	}
	right := p.right.judge(f)
	if right.Outcome == decisive || left.Outcome != Undecided {
		return right
	}
	return left
}

// A leaf is one comparison, or anything else that is true or false.
type leaf struct {
	text    string
	program *vm.Program
	left    *vm.Program // the left side of a comparison, nil where there is none
	leftOf  string
	needs   []string // paths that must have been seen
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith"}

func (v *Vocabulary) leaf(n ast.Node) (node, error) {
	l := &leaf{text: n.String()}
	var err error
	if l.program, err = expr.Compile(l.text, expr.Env(v.types), expr.AsBool()); err != nil {
		return nil, fmt.Errorf("%s: %w", l.text, firstLine(err))
	}
	if b, ok := n.(*ast.BinaryNode); ok && slices.Contains(comparisons, b.Operator) {
		l.leftOf = b.Left.String()
		if l.left, err = expr.Compile(l.leftOf, expr.Env(v.types)); err != nil {
			return nil, fmt.Errorf("%s: %w", l.leftOf, firstLine(err))
		}
		if isNil(b.Left) || isNil(b.Right) {
			return l, nil // whether something was seen is just what it asks
		}
	}
	l.needs = paths(n)
	return l, nil
}

func isNil(n ast.Node) bool { _, ok := n.(*ast.NilNode); return ok }

func (l *leaf) judge(f Facts) Verdict {
	for _, path := range l.needs {
		if f.at(path) == nil {
			return Verdict{Why: path + " was not seen"}
		}
	}
	held, err := expr.Run(l.program, map[string]any(f))
	if err != nil {
		return Verdict{Why: fmt.Sprintf("%s: %v", l.text, firstLine(err))}
	}
	var d Verdict
	if l.left != nil {
		if d.Value, err = expr.Run(l.left, map[string]any(f)); err != nil {
			return Verdict{Why: fmt.Sprintf("%s: %v", l.leftOf, firstLine(err))}
		}
	}
	if d.Outcome = Held; held != true {
		d.Outcome, d.Why = NotHeld, l.text+" is false"
		if l.left != nil {
			d.Why = fmt.Sprintf("%s is %s", l.leftOf, show(d.Value))
		}
	}
	return d
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "not seen"
	case float64:
		return fmt.Sprintf("%.10g", v)
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// firstLine is an error without the drawing of where in the expression it is: positions are those of the
// expression after its literals were replaced.
func firstLine(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		text = text[:i]
	}
	return errors.New(text)
}
