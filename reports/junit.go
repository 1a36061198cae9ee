package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"taskbench/harness"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitNote `xml:"failure"`
	Error   *junitNote `xml:"error"`
	Skipped *junitNote `xml:"skipped"`
}

type junitNote struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes one suite for each cell, with a test case for its outcome and one for each expectation. An
// expectation that was not met, and a failed cell, is a failure; what an undecided or void cell leaves open is an
// error; an unfit cell is skipped, with the reason.
func JUnit(w io.Writer, r harness.Result) error {
	all := junitSuites{Name: r.Name}
	for _, g := range groupsOf(r) {
		for _, c := range g.Cells {
			s := suiteOf(fmt.Sprintf("%s · repeat %d", g.Label, c.Repeat), c)
			all.Tests += s.Tests
			all.Failures += s.Failures
			all.Errors += s.Errors
			all.Skipped += s.Skipped
			all.Suites = append(all.Suites, s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suiteOf(name string, c harness.Cell) junitSuite {
	length := 0.0
	for _, p := range c.Phases {
		length = max(length, p.To)
	}
	s := junitSuite{Name: name, Time: fmt.Sprintf("%.3f", length)}
	add := func(t junitCase) {
		t.Class = name
		s.Tests++
		switch {
		case t.Failure != nil:
			s.Failures++
		case t.Error != nil:
			s.Errors++
		case t.Skipped != nil:
			s.Skipped++
		}
		s.Cases = append(s.Cases, t)
	}
	whole := junitCase{Name: "outcome", Time: s.Time}
	switch c.Outcome {
	case harness.Pass:
	case harness.Fail:
		whole.Failure = &junitNote{Message: "the cell failed" + why(c), Text: details(c)}
	case harness.Unfit:
		whole.Skipped = &junitNote{Message: reason(c)}
	default:
		whole.Error = &junitNote{Message: fmt.Sprintf("the cell is %s: %s", c.Outcome, reason(c)), Text: details(c)}
	}
	add(whole)
	for _, e := range c.Expectations {
		t := junitCase{Name: e.Expect, Time: "0.000"}
		switch {
		case c.Outcome == harness.Unfit:
			t.Skipped = &junitNote{Message: reason(c)}
		case c.Outcome == harness.Void:
			t.Error = &junitNote{Message: "no number of a void cell counts: " + reason(c)}
		case e.Held:
		case c.Outcome == harness.Undecided || e.Undecided:
			t.Error = &junitNote{Message: "not shown: " + got(e)}
		default:
			t.Failure = &junitNote{Message: "not held, " + got(e), Text: e.Why}
		}
		add(t)
	}
	return s
}

// details are the warnings and first findings of a cell, a line each.
func details(c harness.Cell) string {
	lines := append([]string(nil), c.Warnings...)
	for i, f := range c.Findings {
		if i == 20 {
			lines = append(lines, fmt.Sprintf("and %d more findings", len(c.Findings)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Check, f.ID, f.Text))
	}
	return strings.Join(lines, "\n")
}
