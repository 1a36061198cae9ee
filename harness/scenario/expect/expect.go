// Package expect judges what a scenario expects: expressions over the result of a cell, such as
// `recovery.first_completion < 20s`. What was not seen leaves an expectation undecided, never held.
//
// It uses github.com/expr-lang/expr, because it checks names and types before anything runs and cannot loop,
// and its syntax tree lets the package look at each comparison by itself.
package expect

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// Outcome of an expectation. The zero value is Undecided.
type Outcome int

// The outcomes. Moot is an expectation whose condition was not met.
const (
	Undecided Outcome = iota
	Held
	NotHeld
	Moot
)

func (o Outcome) String() string {
	return [...]string{"undecided", "held", "not held", "moot"}[o]
}

// A Verdict is how an expectation went.
type Verdict struct {
	Outcome Outcome
	Value   any    // of the left side of the comparison that decided; nil where there is none
	Why     string // "" when it held
}

// An Expectation is an expression that must hold, under a condition if there is one.
type Expectation struct {
	when, then node
}

// Compile checks both expressions against the vocabulary; an empty when is always met. The errors are all
// mistakes in both: names that do not exist, with the nearest that does, and comparisons of unlike things.
func (v *Vocabulary) Compile(when, then string) (*Expectation, error) {
	var e Expectation
	var errs []error
	for _, side := range []struct {
		text string
		to   *node
	}{{when, &e.when}, {then, &e.then}} {
		if side.text == "" && side.to == &e.when {
			continue
		}
		n, err := v.compile(side.text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*side.to = n
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &e, nil
}

// Check says what is wrong with one expression, or nil: it fits scenario.Known.
func (v *Vocabulary) Check(text string) error {
	_, err := v.compile(text)
	return err
}

func (v *Vocabulary) compile(text string) (node, error) {
	plain, err := literals(text)
	if err != nil {
		return nil, err
	}
	tree, err := parser.Parse(plain)
	if err != nil {
		return nil, fmt.Errorf("no expression: %w", firstLine(err))
	}
	if err := v.names(tree.Node); err != nil {
		return nil, err
	}
	return v.split(tree.Node)
}

// Judge evaluates the expectation over the facts of one cell.
func (e *Expectation) Judge(f Facts) Verdict {
	if e.when != nil {
		switch met := e.when.judge(f); met.Outcome {
		case NotHeld:
			return Verdict{Outcome: Moot, Why: "its condition is not met"}
		case Undecided:
			return Verdict{Why: "its condition is undecided: " + met.Why}
		}
	}
	return e.then.judge(f)
}

// negated is what `not` makes of a verdict.
func negated(v Verdict, n ast.Node) Verdict {
	switch v.Outcome {
	case Held:
		v.Outcome, v.Why = NotHeld, fmt.Sprintf("%s is true", n)
	case NotHeld:
		v.Outcome, v.Why = Held, ""
	}
	return v
}
