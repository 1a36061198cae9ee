package ci_test

import (
	"os"
	"os/exec"
	"testing"
)

// The server that stands in for MongoDB is a module of its own, which the tests of this one pass by. Of it, only what is ours
// is tested, for which nothing is to be built of the rest.
func TestTurnsOfFerretDB(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "./turns")
	cmd.Dir = "ferretdb"
	cmd.Env = append(os.Environ(), "GOFLAGS=") // those of this test are not meant for it
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
