package brokertest_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/brokertest"
)

var update = flag.Bool("update", false, "write testdata/matrix.golden anew")

const golden = "testdata/matrix.golden"

func matrix(t *testing.T, drivers []brokers.Driver) string {
	t.Helper()
	var b bytes.Buffer
	if err := brokertest.Matrix(&b, drivers); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMatrixIsAsRecorded(t *testing.T) {
	got := matrix(t, all.Drivers())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	was := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(was) || was[i] != line {
			t.Errorf("line %d is now\n%s", i+1, line)
		}
	}
	t.Errorf("the matrix of clauses differs from %s: if that is meant, run go test ./brokers/brokertest -update", golden)
}

func TestMatrixShowsAWithdrawnPromise(t *testing.T) {
	d := brokers.Driver{Name: "d", Variants: []brokers.Variant{{Name: "v", Promises: []brokers.Promise{brokers.FIFO}}}}
	before := matrix(t, []brokers.Driver{d})
	d.Variants[0].Promises = nil
	after := matrix(t, []brokers.Driver{d})
	if before == after || !strings.Contains(after, "no fifo") {
		t.Errorf("a promise was withdrawn and the matrix shows\n%s", after)
	}
}
