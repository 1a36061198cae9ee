// Package scenarios is the questions that taskbench comes with: one YAML file each.
package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"taskbench/brokers/all"
	"taskbench/harness"
	"taskbench/harness/faults"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario"
	"taskbench/harness/scenario/expect"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
)

//go:embed *.yaml
var files embed.FS

const suffix = ".yaml"

// Names lists the scenarios in order.
func Names() []string {
	// The pattern is constant and the files are part of the program: there is nothing to fail.
	paths, _ := fs.Glob(files, "*"+suffix)
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = strings.TrimSuffix(p, suffix)
	}
	slices.Sort(names)
	return names
}

// Load reads one of them. Its mistakes are scenario.Problems.
func Load(name string, p scenario.Profile) (scenario.Scenario, error) {
	file := name + suffix
	data, err := files.ReadFile(file)
	if err != nil {
		return scenario.Scenario{}, fmt.Errorf("no scenario %q: there is %s", name, strings.Join(Names(), ", "))
	}
	return scenario.Parse(file, data, Known(), p)
}

// Vocabulary is what expectations may speak of.
func Vocabulary() *expect.Vocabulary { return expect.NewVocabulary(harness.Cell{}, metrics.Stages) }

// Known is what a scenario may name, asked of the packages that own the things.
func Known() scenario.Known {
	k := scenario.Known{
		Tasks:   tasks.Specs(),
		Pools:   native.System.Pools,
		Systems: []string{native.System.Name},
		Broker:  func(name string) error { _, _, err := all.Find(name); return err },
		Expect:  Vocabulary().Check,
	}
	for _, s := range step.All() {
		k.Steps = append(k.Steps, scenario.Param{Name: string(s.Step), Doc: s.Doc})
	}
	for _, f := range faults.All() {
		spec := scenario.FaultSpec{Name: f.Name, Node: f.Node, Doc: f.Doc, Lasting: f.Node == "broker" && !f.Brief, Default: f.For, Whole: f.Whole}
		for name, p := range f.Params {
			p.Name = name
			spec.Params = append(spec.Params, p)
		}
		slices.SortFunc(spec.Params, func(a, b scenario.Param) int { return strings.Compare(a.Name, b.Name) })
		k.Faults = append(k.Faults, spec)
	}
	return k
}
