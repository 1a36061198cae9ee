package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// slowest is how many tests and packages the summary names.
const slowest = 15

// An event is a line of `go test -json`; `go doc test2json` has the fields.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64 // seconds
}

// A timing is how long a test or package took.
type timing struct {
	name    string
	seconds float64
}

// A failure is a test, or a package that failed without one: then the package's name says why.
type failure struct{ pkg, test string }

func (f failure) String() string { return strings.TrimSpace(f.pkg + " " + f.test) }

// A log is what was read so far.
type log struct {
	out      io.Writer
	allowed  []*skip
	output   map[string][]string // of each unfinished test, kept in case it fails
	tests    []timing
	packages []timing
	passed   int
	good     map[failure]bool // which passed
	failed   []failure
	unsteady []failure // failed, and passed when run once more
	skipped  int
	unfit    []failure // skipped without being allowed to
}

func newLog(out io.Writer, allowed []*skip) *log {
	return &log{out: out, allowed: allowed, output: map[string][]string{}, good: map[failure]bool{}}
}

// read takes in all events. Lines that are none are passed on: a build that failed speaks for itself.
func (l *log) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			l.say("%s\n", lines.Text())
			continue
		}
		l.take(e)
	}
	return lines.Err()
}

func (l *log) take(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		if e.Test == "" {
			l.packageOutput(e.Output)
		} else {
			l.output[name] = append(l.output[name], e.Output)
		}
	case "build-output":
		l.say("%s", e.Output)
	case "build-fail":
		l.failed = append(l.failed, failure{pkg: e.ImportPath + " (does not build)"})
	case "pass", "fail", "skip":
		l.finish(e, name)
		delete(l.output, name)
	}
}

func (l *log) finish(e event, name string) {
	if e.Test == "" {
		l.packages = append(l.packages, timing{e.Package, e.Elapsed})
		if e.Action == "fail" && !slices.ContainsFunc(l.failed, func(f failure) bool { return f.pkg == e.Package }) {
			l.failed = append(l.failed, failure{pkg: e.Package + " (no test of its own failed: see above)"})
		}
		return
	}
	l.tests = append(l.tests, timing{name, e.Elapsed})
	switch e.Action {
	case "pass":
		l.passed++
		l.good[failure{e.Package, e.Test}] = true
	case "fail":
		l.failed = append(l.failed, failure{e.Package, e.Test})
		l.say("%s", strings.Join(l.output[name], ""))
	case "skip":
		l.skipped++
		if !allow(l.allowed, e.Package, e.Test) {
			l.unfit = append(l.unfit, failure{e.Package, e.Test})
			l.say("%s", strings.Join(l.output[name], ""))
		}
	}
}

// packageOutput passes on all that a package says outside its tests, but for the bare word PASS.
func (l *log) packageOutput(text string) {
	if text != "PASS\n" {
		l.say("%s", text)
	}
}

func (l *log) say(format string, args ...any) { _, _ = fmt.Fprintf(l.out, format, args...) }

// summarise prints the end of the log and tells whether all is well.
func (l *log) summarise() bool {
	l.slow("packages", l.packages)
	l.slow("tests", l.tests)
	l.list("skipped without standing in the list of allowed skips", l.unfit)
	l.list("failed at first, and passed when run once more: each is to be looked at", l.unsteady)
	l.list("failed", l.failed)
	for _, s := range l.allowed {
		if !s.used && !s.sometimes() {
			l.say("\nThe list of skips allows %s %s, which was not skipped: take it out.\n", s.pkg, s.test)
		}
	}
	l.say("\n%d passed, %d failed, %d skipped\n", l.passed, len(l.failed)+len(l.unfit), l.skipped-len(l.unfit))
	if l.passed == 0 {
		l.say("No test was run.\n")
	}
	return len(l.failed) == 0 && len(l.unfit) == 0 && l.passed > 0
}

func (l *log) slow(what string, all []timing) {
	slices.SortStableFunc(all, func(a, b timing) int {
		switch {
		case a.seconds > b.seconds:
			return -1
		case a.seconds < b.seconds:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	l.say("\nslowest %s:\n", what)
	for _, t := range all[:min(slowest, len(all))] {
		l.say("%8.2f s  %s\n", t.seconds, t.name)
	}
}

func (l *log) list(what string, names []failure) {
	if len(names) == 0 {
		return
	}
	l.say("\n%s:\n", what)
	for _, name := range names {
		l.say("  %s\n", name)
	}
}
