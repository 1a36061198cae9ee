package main

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/checks"
	"taskbench/harness/faults"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/scenario"
	"taskbench/harness/systems/native"
	"taskbench/scenarios"
)

// inventory is what `bench list` lists. Each list is asked of the package that owns the things.
var inventory = map[string]func() ([]item, error){
	"brokers":   listBrokers,
	"checks":    listChecks,
	"faults":    listFaults,
	"labs":      listLabs,
	"pools":     listPools,
	"scenarios": listScenarios,
	"systems":   listSystems,
	"tasks":     listTasks,
	"workloads": listWorkloads,
}

func listBrokers() ([]item, error) {
	var items []item
	for _, d := range all.Drivers() {
		i := item{Name: d.Name, Doc: howItComes(d.Server)}
		for n, v := range d.Variants {
			doc := fmt.Sprintf("%s: %s", v.Durability, v.Doc)
			if n == 0 {
				doc += " (the default)"
			}
			i.Params = append(i.Params, param{Name: d.Name + ":" + v.Name, Doc: doc})
		}
		items = append(items, i)
	}
	return items, nil
}

// howItComes says what of a broker runs where.
func howItComes(s brokers.ServerSpec) string {
	switch {
	case s.Library:
		return "a library over files: nothing to install"
	case len(s.Images) == 0 && len(s.Binaries) == 0:
		return "embedded: nothing to install"
	default:
		var programs []string
		for _, names := range s.Binaries {
			usual, _, _ := strings.Cut(names, "|")
			programs = append(programs, usual)
		}
		doc := fmt.Sprintf("%s, as a container (%s) or a process (%s)", s.Product, strings.Join(s.Images, ", "), strings.Join(programs, ", "))
		if s.Program != "" {
			doc += fmt.Sprintf(", or embedded (%s, which Go builds when the broker is named)", s.Program)
		}
		return doc
	}
}

func listPools() ([]item, error) {
	docs := map[string]string{
		"prefork":   "child processes of the worker, one task each at a time; a crash costs one child",
		"goroutine": "goroutines of the worker: cheap, but they share its memory and its fate",
		"threads":   "operating system threads of the worker, one task each at a time",
		"green":     "many tasks on one thread of one child process, as gevent and eventlet have them",
		"solo":      "one task at a time in the worker itself",
	}
	var items []item
	for _, name := range native.System.Pools {
		items = append(items, item{Name: name, Doc: docs[name]})
	}
	return items, nil
}

func listSystems() ([]item, error) {
	s := native.System
	return []item{{Name: s.Name, Doc: s.Doc + "; pools " + strings.Join(s.Pools, ", ")}}, nil
}

func listTasks() ([]item, error) {
	var items []item
	for _, t := range scenarios.Known().Tasks {
		i := item{Name: t.Name, Doc: t.Doc}
		for _, p := range t.Params {
			i.Params = append(i.Params, param{Name: p.Name, Doc: p.Doc})
		}
		items = append(items, i)
	}
	return items, nil
}

func listFaults() ([]item, error) {
	var items []item
	for _, f := range faults.All() {
		i := item{Name: f.Node + "/" + f.Name, Doc: f.Doc}
		for name, p := range f.Params {
			i.Params = append(i.Params, param{Name: name, Doc: p.Doc, Type: p.Type(), Default: scenario.FormatValue(p.Default)})
		}
		sortParams(i.Params)
		items = append(items, i)
	}
	return append(items, timing()), nil
}

// timing is what can be said in a fault's line beside the fault.
func timing() item {
	i := item{Name: "on: STEP", Doc: "Any of them can wait for a step of the protocol between the broker and its clients, " +
		"and hit the connection that is at it, as with {fault: disconnect, on: ack, nth: 100, for: 5s}. A fault on a worker waits for " +
		"the workers' connections alone, and hits the worker whose connection is at the step"}
	for _, s := range step.All() {
		i.Params = append(i.Params, param{Name: string(s.Step), Doc: s.Doc})
	}
	return i
}

func listChecks() ([]item, error) {
	var items []item
	for _, c := range checks.All() {
		items = append(items, item{Name: c.Name, Doc: c.Doc})
	}
	return items, nil
}

func listScenarios() ([]item, error) {
	var items []item
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name, scenario.Full)
		if err != nil {
			return nil, err
		}
		items = append(items, item{Name: name, Doc: s.Asks})
	}
	return items, nil
}

func listLabs() ([]item, error) {
	docs := map[string]string{
		labs.Auto:     "for each broker the first of docker, process and embedded that works",
		"docker":      "containers of the engine that answers on this machine",
		"process":     "server binaries on PATH, or built by Go, each in a temporary directory of its own",
		labs.Embedded: "inside this process, files in a temporary directory, or a server that Go builds",
		"external":    "a server that somebody else runs, at --url; faults that need its process cannot be applied",
	}
	var items []item
	for _, name := range labs.Names() {
		items = append(items, item{Name: name, Doc: docs[name]})
	}
	return items, nil
}

func listWorkloads() ([]item, error) {
	var items []item
	for _, name := range workloadNames() {
		items = append(items, item{Name: name, Doc: workloads[name]})
	}
	return items, nil
}

func sortParams(ps []param) {
	slices.SortFunc(ps, func(a, b param) int { return strings.Compare(a.Name, b.Name) })
}
