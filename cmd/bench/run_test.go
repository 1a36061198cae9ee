package main

import (
	"os"
	"path/filepath"
	"testing"

	"taskbench/harness/scenario"
)

// What `--out broker-kill` leaves in the working directory does not change what the name means.
func TestNameWinsOverDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("broker-kill", 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := readScenario("broker-kill", scenario.Short)
	if err != nil || s.Name != "broker-kill" {
		t.Errorf("scenario %q, %v", s.Name, err)
	}
	if _, err := readScenario(filepath.Join(".", "broker-kill")+string(os.PathSeparator), scenario.Short); err == nil {
		t.Error("a directory without scenario.yaml was run")
	}
}
