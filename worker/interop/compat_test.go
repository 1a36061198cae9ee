package interop_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reference is a test as COMPAT.md names it: `package TestName/case`, without the package where it is this one.
var reference = regexp.MustCompile("`(?:([a-z/]+) )?((?:Test|Fuzz)\\w+)(?:/([^`]+))?`")

// Every row of the table says what works by a test that exists.
func TestCompatibilityIsTested(t *testing.T) {
	page, err := os.ReadFile("../COMPAT.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[1]) == "" || strings.Contains(cells[0], "Feature") {
			continue
		}
		rows++
		feature, state := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])
		if !slices.Contains([]string{"works", "partly", "left out"}, state) {
			t.Errorf("%s: %q is none of works, partly, left out", feature, state)
		}
		refs := reference.FindAllStringSubmatch(cells[3], -1)
		if len(refs) == 0 && state != "left out" {
			t.Errorf("%s: no test is named", feature)
		}
		for _, r := range refs {
			if why := missing(r[1], r[2], r[3]); why != "" {
				t.Errorf("%s: %s %s", feature, strings.Trim(r[0], "`"), why)
			}
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows were read", rows)
	}
}

// A reference to what is not there is caught.
func TestCompatibilityCheckerCatches(t *testing.T) {
	for _, r := range [][3]string{
		{"", "TestNothing", ""}, {"", "TestCeleryClient", "no such case"}, {"", "TestGoClient", "no such case"},
		{"worker/no", "TestRetries", ""}, {"worker", "TestNothing", ""},
	} {
		if missing(r[0], r[1], r[2]) == "" {
			t.Errorf("%q was found", r)
		}
	}
	if why := missing("", "TestCeleryClient", "chord"); why != "" {
		t.Error(why)
	}
}

// missing says why a test is not there, or "".
func missing(pkg, test, sub string) string {
	dir := "."
	if pkg != "" {
		dir = filepath.Join("..", "..", pkg)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err.Error()
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == test {
				return missingCase(name, test, sub)
			}
		}
	}
	return "does not exist"
}

func missingCase(file, test, sub string) string {
	var known bool
	switch {
	case sub == "":
		return ""
	case test == "TestCeleryClient":
		known = slices.ContainsFunc(asks, func(a ask) bool { return a.name == sub })
	case test == "TestGoClient":
		known = slices.ContainsFunc(calls, func(c call) bool { return c.name == sub })
	default:
		text, err := os.ReadFile(file)
		known = err == nil && bytes.Contains(text, []byte(`"`+sub+`"`))
	}
	if !known {
		return "has no such case"
	}
	return ""
}
