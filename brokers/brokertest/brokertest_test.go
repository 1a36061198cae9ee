package brokertest_test

import (
	"testing"
	"testing/synctest"

	"taskbench/brokers/brokertest"
)

// apply applies a clause to a rig with a bug, in a bubble where waiting takes no time. The bug is made there too.
func apply(t *testing.T, c brokertest.Clause, plant func() bug) (result brokertest.ClauseResult) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, plant())
		result = brokertest.Apply(t.Context(), r.subject(), c)
		r.close()
		synctest.Wait()
	})
	if result.Unfit != "" {
		t.Fatalf("the clause was not applied: %s", result.Unfit)
	}
	return result
}

func TestHealthyBrokerKeepsEveryClause(t *testing.T) {
	for _, c := range brokertest.Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			if r := apply(t, c, func() bug { return bug{} }); r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
}

func TestEachClauseCatchesItsBugs(t *testing.T) {
	clauses := make(map[string]brokertest.Clause)
	for _, c := range brokertest.Clauses() {
		if _, twice := clauses[c.Name]; twice {
			t.Errorf("two clauses are called %s", c.Name)
		}
		clauses[c.Name] = c
	}
	caught := make(map[string]int)
	for i, b := range bugs() {
		c, ok := clauses[b.clause]
		if !ok {
			t.Errorf("bug %q is for clause %s, and there is none", b.name, b.clause)
			continue
		}
		caught[b.clause]++
		t.Run(b.clause+"/"+b.name, func(t *testing.T) {
			if r := apply(t, c, func() bug { return bugs()[i] }); r.Err == nil {
				t.Errorf("clause %s does not notice a broker that %s", c.Name, b.name)
			} else {
				t.Log(r.Err)
			}
		})
	}
	for name := range clauses {
		if caught[name] == 0 {
			t.Errorf("clause %s has no broken broker to catch", name)
		}
	}
}

func TestEveryClauseSaysWhy(t *testing.T) {
	for _, c := range brokertest.Clauses() {
		if c.Why == "" || c.Check == nil {
			t.Errorf("clause %q has no reason or no check", c.Name)
		}
	}
}
