package main

import (
	"regexp"
	"slices"
	"strings"
)

// bearable is how many tests may fail and be run once more: where more do, it is not the clock.
const bearable = 4

// again runs the tests that failed once more, each alone, if all that failed are tests and they are few. Of a test that
// failed by its subtests these are run, and what they share.
func (l *log) again(command []string) {
	var tests []failure // down to the first subtest
	for _, f := range l.failed {
		if f.test == "" {
			return
		}
		path := strings.SplitN(f.test, "/", 3)
		f.test = strings.Join(path[:min(2, len(path))], "/")
		if !slices.Contains(tests, f) && !slices.ContainsFunc(l.failed, func(other failure) bool {
			return other.pkg == f.pkg && strings.HasPrefix(other.test, f.test+"/") && !strings.Contains(f.test, "/")
		}) {
			tests = append(tests, f)
		}
	}
	if len(tests) == 0 || len(tests) > bearable {
		return
	}
	first := l.failed
	l.failed, l.good = nil, map[failure]bool{}
	for _, f := range tests {
		var levels []string
		for level := range strings.SplitSeq(f.test, "/") {
			levels = append(levels, "^"+regexp.QuoteMeta(level)+"$")
		}
		l.say("\nonce more: %s\n", f)
		l.run(append(slices.Clone(command), "-json", "-count=1", "-run", strings.Join(levels, "/"), f.pkg))
	}
	for _, f := range first {
		switch {
		case l.good[f]:
			l.unsteady = append(l.unsteady, f)
		case !slices.Contains(l.failed, f): // a test that was not run again, or was skipped, is as bad as before
			l.failed = append(l.failed, f)
		}
	}
}
