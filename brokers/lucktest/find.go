package lucktest

import "fmt"

// Find returns a clause by its name, for tests that have a server of their own to apply it to. It panics where there is none
// of that name.
func Find(name string) Clause {
	for _, c := range Clauses() {
		if c.Name == name {
			return c
		}
	}
	panic(fmt.Sprintf("lucktest: there is no clause %q", name))
}
