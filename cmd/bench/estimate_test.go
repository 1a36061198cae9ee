package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/cmd/bench/display"
	"taskbench/harness"
)

// A comparison of everything, which is what one without flags is on a machine that has every server, says how long it will
// take before anything starts, and that is short enough to wait for.
func TestDefaultComparisonIsShort(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	path := t.TempDir()
	t.Setenv("PATH", path)
	for _, d := range all.Drivers() {
		for _, names := range d.Server.Binaries {
			name, _, _ := strings.Cut(names, "|")
			if err := os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(t.TempDir()) // the result goes there
	var out, said strings.Builder
	a := newApp([]string{"compare"}, &out, &said)
	fake(t, a)
	runs := 0
	a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
		runs++
		if want := 2 * len(all.Drivers()); len(p.Cells) != want {
			t.Errorf("%d cells, want %d: each broker with two pools\n%s", len(p.Cells), want, said.String())
		}
		if most := 6 * time.Minute; p.Length() >= most || p.Length() < time.Minute {
			t.Errorf("it is to take %v, want below %v", p.Length(), most)
		}
		if want := "cells in about " + display.Rough(p.Length()) + ","; !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q before it starts:\n%s", want, said.String())
		}
		return resultOf(p, harness.Pass), nil
	}
	if code := a.execute(t.Context()); code != exitOK || runs != 1 {
		t.Errorf("exit code %d, %d runs\n%s", code, runs, said.String())
	}
}
