package main

import (
	"fmt"
	"path"
	"strings"
)

// A skip is a test that may be skipped.
type skip struct {
	pkg, test, reason string
	used              bool
}

// parseSkips reads lines of package, test pattern and reason. Empty lines and those that start with # are left out.
func parseSkips(text string) ([]*skip, error) {
	var all []*skip
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("line %d: want a package, a test and the reason why it may be skipped", n)
		}
		for _, pattern := range fields[:2] {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", n, pattern, err)
			}
		}
		all = append(all, &skip{pkg: fields[0], test: fields[1], reason: strings.Join(fields[2:], " ")})
	}
	return all, nil
}

// sometimes tells whether the test is skipped on some days alone, as its reason then says first.
func (s *skip) sometimes() bool { return strings.HasPrefix(s.reason, "sometimes: ") }

// allow finds the entry that lets the test be skipped; patterns match level by level of a subtest's name.
func allow(all []*skip, pkg, test string) bool {
	for _, s := range all {
		inPackage, _ := path.Match(s.pkg, pkg)
		ofTest, _ := path.Match(s.test, test)
		if inPackage && ofTest {
			s.used = true
			return true
		}
	}
	return false
}
