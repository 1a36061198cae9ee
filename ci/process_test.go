package ci_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers/all"
	"taskbench/scenarios"
)

var process = regexp.MustCompile(`-run 'TestBrokersKeepTheirContract/([^']*)'[\s\S]*-run 'TestScenarios/([^']*)'`)

// `make process` picks variants and scenarios by their names. It takes each broker that has a server at least once, and
// scenarios that there are: a name that has changed leaves nothing out.
func TestProcessTakesEveryServer(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := process.FindStringSubmatch(strings.ReplaceAll(string(makefile), "$$", "$"))
	if found == nil {
		t.Fatal("the Makefile has no such tests")
	}
	variants, names := regexp.MustCompile(found[1]), found[2]
	for _, d := range all.Drivers() {
		if d.Server.Command == nil {
			continue
		}
		taken := 0
		for _, v := range d.Variants {
			if variants.MatchString(d.Name + ":" + v.Name) {
				taken++
			}
		}
		if taken == 0 {
			t.Errorf("no variant of %s is taken by %s", d.Name, variants)
		}
	}
	for name := range strings.SplitSeq(strings.Trim(names, "^()$"), "|") {
		if !slices.Contains(scenarios.Names(), name) {
			t.Errorf("there is no scenario %s", name)
		}
	}
}
