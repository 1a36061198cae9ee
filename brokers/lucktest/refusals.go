package lucktest

import (
	"context"
	"fmt"

	"taskbench/brokers"
)

// refusals are about servers that are what they should be, and refuse.
var refusals = []Clause{
	refusal("password", "who mistyped a password must learn that it is the password"),
	refusal("rights", "who may not write must learn which right to ask for"),
	refusal("replica", "what is published to a replica is not stored, and its publisher must learn where to go instead"),
	refusal("disk", "a server without room stores nothing, and nothing that it did not store may count as published"),
	refusal("connections", "a fleet that outgrows its server must learn which number to raise"),
	refusal("shape", "a table or key of the right name and the wrong shape is somebody else's: it must be neither used nor mended"),
}

// refusal is the clause about the refusals of that name.
func refusal(name, why string) Clause {
	return Clause{
		Name: name,
		Why:  why,
		unfit: func(s Subject) bool {
			_, known := s.Refusals[name]
			return !known
		},
		Check: func(ctx context.Context, s Subject) error {
			r := s.Refusals[name]
			if r.Advice == "" {
				return fmt.Errorf("the subject does not say what is to be done about it")
			}
			err := r.Meet(ctx)
			if !r.Unsure {
				return s.judge(err, r.Advice)
			}
			if err := worded(s.Driver, err, r.Advice); err != nil {
				return err
			}
			if brokers.Definite(err) {
				return fmt.Errorf("%w is Definite, though the server may have done it", err)
			}
			return nil
		},
	}
}
