// Package ci_test holds the repository to its architecture.
package ci_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// module is what the import paths of this repository begin with.
const module = "taskbench/"

// layers are the folders of the repository from the top down. A package imports from its own folder and from
// layers below. Folders of one layer do not know each other, but for their tests.
var layers = [][]string{
	{"ci"},
	{"cmd"},
	{"scenarios", "reports"},
	{"harness"},
	{"worker"},
	{"brokers"},
	{"ci/images"}, // data: the recipes, as an embedded file system
}

// vague are package names that say nothing of what is inside, so that anything ends up there.
var vague = []string{"util", "utils", "common", "base", "lib", "helper", "helpers", "misc", "shared"}

func TestArchitecture(t *testing.T) {
	for _, v := range violations(t, os.DirFS("..")) {
		t.Error(v)
	}
}

// A checker that finds nothing because it looks at nothing would pass for ever: each rule is broken here once.
func TestCheckerCatches(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"brokers/redis/redis.go":        file("package redis\nimport _ \"taskbench/worker\"\n"),
		"worker/worker_test.go":         file("package worker\nimport _ \"taskbench/harness/ledger\"\n"),
		"harness/harness.go":            file("package harness\nimport (_ \"taskbench/worker\"; _ \"taskbench/brokers/redis\"; _ \"taskbench/harness/ledger\"; _ \"taskbench/ci/images\")\n"),
		"reports/reports.go":            file("package reports\nimport _ \"taskbench/scenarios\"\n"),
		"scenarios/scenarios_test.go":   file("package scenarios_test\nimport _ \"taskbench/reports\"\n"),
		"_scratch/scratch.go":           file("package util\n"),
		"cmd/bench/main.go":             file("package main\nimport (_ \"taskbench/reports\"; _ \"taskbench/scenarios\"; _ \"fmt\")\n"),
		"ci/images/images.go":           file("package images\nimport _ \"taskbench/brokers\"\n"),
		"ci/selfbench/main.go":          file("package main\nimport _ \"taskbench/harness/load\"\n"),
		"harness/util/util.go":          file("package util\n"),
		"harness/load/common.go":        file("package common\n"),
		"extra/extra.go":                file("package extra\n"),
		"worker/sleepy_test.go":         file("package worker\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n"),
		"worker/wait.go":                file("package worker\nimport \"time\"\nfunc g() { time.Sleep(1) }\n"),
		"worker/bubble_test.go":         file("package worker\nimport (\"time\"; \"testing/synctest\")\nfunc h() { synctest.Test(nil, func(any) { time.Sleep(1) }) }\n"),
		"harness/x/testdata/broken.go":  file("this is no Go\n"),
		"runs/1/copy.go":                file("package copy\nimport _ \"taskbench/cmd/bench\"\n"),
		".cache/taskbench/harness.go":   file("package util\n"),
		"harness/broken.go":             file("package\n"),
		"brokers/memory/memory_test.go": file("package memory\nimport _ \"taskbench/brokers/brokertest\"\n"),
	}
	want := []string{
		"brokers/redis/redis.go: brokers must not import taskbench/worker: imports point down only",
		"ci/images/images.go: ci/images must not import taskbench/brokers: imports point down only",
		"extra/extra.go: folder extra has no place in the layers",
		"harness/broken.go: cannot be read: harness/broken.go:1:9: expected 'IDENT', found 'EOF'",
		"harness/load/common.go: package name common says nothing of what is inside",
		"harness/util/util.go: package name util says nothing of what is inside",
		"reports/reports.go: reports must not import taskbench/scenarios: imports point down only",
		"worker/sleepy_test.go: sleeps at line 3: wait for a condition, or use testing/synctest",
		"worker/worker_test.go: worker must not import taskbench/harness/ledger: imports point down only",
	}
	got := violations(t, tree)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("not caught: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("blamed without cause: %s", g)
		}
	}
}

// violations reads every Go file of the tree.
func violations(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			hidden := name != "." && strings.ContainsAny(e.Name()[:1], "._") // to the go command, too
			if hidden || e.Name() == "testdata" || name == "runs" || name == "out" {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		found = append(found, fileViolations(name, text)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func fileViolations(name string, text []byte) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{fmt.Sprintf("%s: cannot be read: %v", name, err)}
	}
	var found []string
	if slices.Contains(vague, file.Name.Name) {
		found = append(found, fmt.Sprintf("%s: package name %s says nothing of what is inside", name, file.Name.Name))
	}
	from, at := place(path.Dir(name))
	if from == "" {
		top, _, _ := strings.Cut(name, "/")
		return append(found, fmt.Sprintf("%s: folder %s has no place in the layers", name, top))
	}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		inside, ours := strings.CutPrefix(imported, module)
		to, depth := place(inside)
		beside := depth == at && strings.HasSuffix(name, "_test.go")
		if ours && to != from && depth <= at && !beside {
			found = append(found, fmt.Sprintf("%s: %s must not import %s: imports point down only", name, from, imported))
		}
	}
	if strings.HasSuffix(name, "_test.go") {
		for _, line := range sleeps(files, file) {
			found = append(found, fmt.Sprintf("%s: sleeps at line %d: wait for a condition, or use testing/synctest", name, line))
		}
	}
	return found
}

// place finds the folder of the layers that holds dir, the longest that does, and how deep it lies.
func place(dir string) (folder string, depth int) {
	for i, layer := range layers {
		for _, f := range layer {
			if (dir == f || strings.HasPrefix(dir, f+"/")) && len(f) > len(folder) {
				folder, depth = f, i
			}
		}
	}
	return folder, depth
}

// sleeps finds the calls of time.Sleep that are not inside a bubble of testing/synctest, where no time passes.
func sleeps(files *token.FileSet, file *ast.File) []int {
	clock, bubble := importedAs(file, "time"), importedAs(file, "testing/synctest")
	var lines []int
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && bubble != "" && names(call.Fun, bubble, "Test") {
			return false
		}
		if e, ok := n.(ast.Expr); ok && names(e, clock, "Sleep") {
			lines = append(lines, files.Position(n.Pos()).Line)
		}
		return true
	})
	return lines
}

// importedAs is the name by which the file knows a package, or "" when it does not import it.
func importedAs(file *ast.File, imported string) string {
	for _, spec := range file.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == imported {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(imported)
		}
	}
	return ""
}

func names(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}
