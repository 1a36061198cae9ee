package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// bearable is how many tests may fail and be run once more: where more do, it is not the clock.
const bearable = 3

// again runs the tests that failed once more, if all that failed are tests and they are few.
func (l *log) again(command []string) {
	tests := map[string]map[string]bool{} // of each package
	n := 0
	for _, f := range l.failed {
		if f.test == "" {
			return
		}
		if tests[f.pkg] == nil {
			tests[f.pkg] = map[string]bool{}
		}
		top, _, _ := strings.Cut(f.test, "/")
		if !tests[f.pkg][top] {
			tests[f.pkg][top] = true
			n++
		}
	}
	if n == 0 || n > bearable {
		return
	}
	first := l.failed
	l.failed = nil
	for _, pkg := range slices.Sorted(maps.Keys(tests)) {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(tests[pkg])) {
			names = append(names, regexp.QuoteMeta(name))
		}
		l.say("\nonce more: %s %s\n", pkg, strings.Join(names, " "))
		l.run(append(slices.Clone(command), "-json", "-count=1", "-run", "^("+strings.Join(names, "|")+")$", pkg))
	}
	for _, f := range first {
		if !slices.Contains(l.failed, f) {
			l.unsteady = append(l.unsteady, f)
		}
	}
}
