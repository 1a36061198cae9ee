package ci_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	_ "taskbench/brokers/mysql" // what is tried: a change of it makes an earlier result void
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/labtest"
	_ "taskbench/worker/result/sql" // likewise
)

// What tests start as MariaDB can be MySQL as well. A machine has either of them alone, so those tests are run once more
// where MySQL is: within its image.
func TestOnMySQL(t *testing.T) {
	if os.Getenv("BENCH_LAB") != "docker" {
		t.Skip("a container is wanted, and this is not the container lab")
	}
	const image = "taskbench/mysql:1"
	labtest.LeftOut(t, image)
	for pkg, tests := range map[string]string{
		"brokers/mysql":     "^TestLuck$/^(password|rights|replica|disk|connections|shape|large_messages)$",
		"worker/result/sql": "^TestContractOnMariaDB$",
	} {
		t.Run(path.Base(pkg), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run := func(env string, args ...string) string {
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Env = append(os.Environ(), env)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			run("CGO_ENABLED=0", "go", "test", "-c", "-o", filepath.Join(dir, "tests"), "taskbench/"+pkg)
			out := run("DOCKER_HOST="+engine.Host(), "docker", "run", "--rm", "--volume", dir+":/tests:ro", "--env", "BENCH_LAB=process", image,
				"/tests/tests", "-test.run", tests, "-test.v", "-test.timeout", "3m")
			if !strings.Contains(out, "--- PASS: "+strings.Trim(strings.Split(tests, "/")[0], "^$")) {
				t.Errorf("nothing was tried:\n%s", out)
			}
		})
	}
}
