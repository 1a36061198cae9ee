package lucktest_test

import (
	"testing"

	"taskbench/brokers/lucktest"
)

// what the toy keeps, and can be wrong about.
var kept = []string{"nobody listens", "another server", "silent server", "certificates", "password", "disk", "large messages"}

func TestAToyThatIsRight(t *testing.T) {
	for _, name := range kept {
		t.Run(name, func(t *testing.T) {
			alone(t, name)
			if err := lucktest.Apply(t.Context(), toy{}.subject(), lucktest.Find(name)); err != nil {
				t.Error(err)
			}
		})
	}
}

// alone has a test run beside others unless it looks at memory, which they share.
func alone(t *testing.T, clause string) {
	if clause != "large messages" {
		t.Parallel()
	}
}

// Each clause notices a driver that breaks it.
func TestEachClauseCatchesItsBugs(t *testing.T) {
	for _, c := range []struct {
		clause, bug string
		toy         toy
	}{
		{"nobody listens", "is not sure", toy{unsure: true}},
		{"nobody listens", "does not say who it is", toy{nameless: true}},
		{"nobody listens", "does not say what was being done", toy{vague: true}},
		{"nobody listens", "shows the password", toy{chatty: true}},
		{"nobody listens", "does not say what to do", toy{helpless: true}},
		{"another server", "does not look at who answers", toy{credulous: true}},
		{"another server", "does not say what to do", toy{helpless: true}},
		{"silent server", "waits for ever", toy{patient: true}},
		{"silent server", "is not sure", toy{unsure: true}},
		{"certificates", "accepts every one", toy{blind: true}},
		{"certificates", "accepts none", toy{suspicious: true}},
		{"certificates", "does not say what to do", toy{helpless: true}},
		{"password", "is not sure", toy{unsure: true}},
		{"password", "shows the password", toy{chatty: true}},
		{"password", "says it in two lines", toy{lines: true}},
		{"password", "does not say what to do", toy{helpless: true}},
		{"disk", "is sure of what it cannot know", toy{certain: true}},
		{"disk", "does not say what to do", toy{helpless: true}},
		{"large messages", "reads all that there is", toy{greedy: true}},
	} {
		t.Run(c.clause+"/"+c.bug, func(t *testing.T) {
			alone(t, c.clause)
			err := lucktest.Apply(t.Context(), c.toy.subject(), lucktest.Find(c.clause))
			if err == nil {
				t.Errorf("clause %s does not notice a driver that %s", c.clause, c.bug)
			} else {
				t.Log(err)
			}
		})
	}
}

func TestEveryClauseSaysWhy(t *testing.T) {
	names := map[string]bool{}
	for _, c := range lucktest.Clauses() {
		if c.Name == "" || c.Why == "" || c.Check == nil || names[c.Name] {
			t.Errorf("clause %q has no reason, no check, or no name of its own", c.Name)
		}
		names[c.Name] = true
	}
}
