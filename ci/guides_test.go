package ci_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An example is a file that a guide of the README shows.
type example struct{ section, path, text string }

var (
	heading = regexp.MustCompile(`(?m)^### (.*)$`)
	fence   = regexp.MustCompile("(?ms)^```\\w+ file=(\\S+)\n(.*?)^```$")
)

// examples are the files of the README's guides, in order.
func examples(t *testing.T, readme string) []example {
	t.Helper()
	_, guides, ok := strings.Cut(readme, "\n## Adding things\n")
	if !ok {
		t.Fatal("the README has no section on adding things")
	}
	guides, _, _ = strings.Cut(guides, "\n## ")
	var all []example
	starts := heading.FindAllStringSubmatchIndex(guides, -1)
	for i, at := range starts {
		end := len(guides)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		section, found := guides[at[2]:at[3]], fence.FindAllStringSubmatch(guides[at[1]:end], -1)
		if len(found) == 0 {
			t.Errorf("the guide %q shows no file: its claims are not tested", section)
		}
		for _, f := range found {
			all = append(all, example{section, f[1], f[2]})
		}
	}
	return all
}

// TestGuides does what the README says: it adds every file of its guides to a build of the command, looks for the
// new things in the lists, and uses them.
func TestGuides(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := examples(t, string(readme))
	bench := buildWith(t, root, files)
	for _, f := range files {
		switch kind, name := path.Split(f.path); kind {
		case "harness/faults/":
			listed(t, bench, "faults", strings.TrimSuffix(name, ".go"))
		case "harness/checks/":
			listed(t, bench, "checks", strings.TrimSuffix(name, ".go"))
		case "scenarios/":
			listed(t, bench, "scenarios", strings.TrimSuffix(name, ".yaml"))
		default:
			if folder := path.Base(path.Dir(f.path)); path.Dir(path.Dir(f.path)) == "brokers" {
				listed(t, bench, "brokers", folder)
				command(t, bench, "doctor", folder, "--lab", "embedded")
				command(t, bench, "run", "blip", "--short", "--brokers", folder, "--lab", "embedded", "--seed", "1", "--out", filepath.Join(t.TempDir(), "out"))
			}
		}
	}
}

// buildWith builds the command from the repository with more files in it, which it leaves alone.
func buildWith(t *testing.T, root string, files []example) string {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	add := func(name, text string) {
		at := filepath.Join(dir, strings.ReplaceAll(name, "/", "__"))
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, name)] = at
	}
	list, err := os.ReadFile(filepath.Join(root, "brokers/all/all.go"))
	if err != nil {
		t.Fatal(err)
	}
	drivers := string(list)
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(root, f.path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("guide %q: %s is there already: %v", f.section, f.path, err)
		}
		add(f.path, f.text)
		if folder := path.Dir(f.path); path.Dir(folder) == "brokers" { // the one line that the guide speaks of
			drivers = strings.Replace(drivers, "import (", "import (\n\t\""+module+folder+"\"", 1)
			drivers = strings.Replace(drivers, "[]brokers.Driver{", "[]brokers.Driver{\n\t\t"+path.Base(folder)+".Driver,", 1)
		}
	}
	add("brokers/all/all.go", drivers)
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	bench := filepath.Join(dir, "bench")
	withFiles := []string{"build", "-overlay", filepath.Join(dir, "overlay.json")}
	var packages []string
	for _, f := range files {
		if path.Ext(f.path) == ".go" {
			packages = append(packages, "./"+path.Dir(f.path))
		}
	}
	goTool(t, root, append(slices.Clone(withFiles), packages...)...)
	goTool(t, root, append(withFiles, "-o", bench, "./cmd/bench")...)
	return bench
}

func goTool(t *testing.T, root string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// command runs the built command, which must exit 0, and returns its results.
func command(t *testing.T, bench string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), bench, args...)
	c.Dir = t.TempDir()
	var talk strings.Builder
	c.Stderr = &talk
	out, err := c.Output()
	if err != nil {
		t.Fatalf("bench %s: %v\n%s%s", strings.Join(args, " "), err, out, talk.String())
	}
	return string(out)
}

func listed(t *testing.T, bench, kind, name string) {
	t.Helper()
	var all map[string][]struct{ Name string }
	if err := json.Unmarshal([]byte(command(t, bench, "list", kind, "--json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, i := range all[kind] {
		if i.Name == name || strings.HasSuffix(i.Name, "/"+name) {
			return
		}
	}
	t.Errorf("bench list %s does not show %s", kind, name)
}
