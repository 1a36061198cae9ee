package labs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/brokertest"
	"taskbench/harness/lab"
	"taskbench/harness/lab/images"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/labtest"
)

// The test binary is its own child process when this names the URL of a server: it holds a message there.
const childOf = "TASKBENCH_TEST_HOLD_URL"

func TestMain(m *testing.M) {
	url := os.Getenv(childOf)
	if url == "" {
		labtest.AtOnce(4) // they wait for leases to end and servers to come back
		os.Exit(m.Run())
	}
	d, v, err := all.Find(os.Args[1])
	if err == nil {
		err = brokertest.Hold(context.Background(), os.Stdout, d, v, url, os.Args[2])
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Every variant of every broker keeps its contract on a real server: in the lab that BENCH_LAB names, auto when it
// names none; brokers without a server are embedded, and they are tried in the embedded lab with those whose server Go
// makes. A broker that the lab ought to hold and cannot is a failure, but with auto, where the embedded brokers must do on
// a machine that has nothing else, and in lab process with those that Debian has no server for. In the container lab a
// driver of several products is tried on each that is built here.
func TestBrokersKeepTheirContract(t *testing.T) {
	for _, d := range all.Drivers() {
		for _, v := range d.Variants {
			t.Run(d.Name+":"+v.Name, func(t *testing.T) {
				t.Parallel() // each has a server of its own, and mostly waits
				if os.Getenv("BENCH_LAB") == labs.Embedded && d.Server.Embedded == nil && !d.Server.Library && d.Server.Program == "" {
					t.Skip("the embedded lab has no server for it")
				}
				keepsContract(t, d, v, labs.Options{})
			})
			if os.Getenv("BENCH_LAB") != labs.Docker {
				continue
			}
			for _, image := range others(d) {
				t.Run(d.Name+":"+v.Name+" on "+path.Base(image), func(t *testing.T) {
					t.Parallel()
					labtest.LeftOut(t, image)
					keepsContract(t, d, v, labs.Options{Images: map[string]string{d.Name: image}})
				})
			}
		}
	}
}

// others are the images built here that a driver names after its first one.
func others(d brokers.Driver) []string {
	built := slices.DeleteFunc(slices.Clone(d.Server.Images), func(image string) bool { return !images.Local(image) })
	return built[min(1, len(built)):]
}

// foreign tells whether the variant needs a server of which no image is built here.
func foreign(v brokers.Variant) bool {
	return v.Images != nil && !slices.ContainsFunc(v.Images, images.Local)
}

func keepsContract(t *testing.T, d brokers.Driver, v brokers.Variant, o labs.Options) {
	where := os.Getenv("BENCH_LAB")
	if where == "" || d.Server.Command == nil {
		where = labs.Auto
	}
	o.Make = where != labs.Auto
	if no := lab.Single(where, v); no != "" && where == labs.Process {
		t.Skip(no)
	}
	l, why, err := labs.Pick(t.Context(), where, d, v, o)
	if err != nil {
		if where == labs.Auto && d.Server.Embedded == nil && !d.Server.Library {
			t.Skipf("this machine has no server for %s: %v", d.Name, err)
		}
		if where == labs.Process {
			labtest.Unpackaged(t, d.Name, err)
		}
		if where == labs.Docker && foreign(v) {
			t.Skipf("its image is not built here, and cannot be had: %v", err)
		}
		t.Fatal(err)
	}
	t.Logf("lab %s: %s", l.Name(), why)
	node, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: v, Name: "contract", LogPath: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := node.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	subject := brokertest.Subject{Driver: d, Variant: v, URL: node.Info().URL}
	if !d.Server.Library {
		subject.Kill = func(ctx context.Context) (func(context.Context) error, error) {
			return func(ctx context.Context) error { return node.Do(ctx, lab.Start) }, node.Do(ctx, lab.Kill)
		}
		through, relay, err := brokertest.Through(subject)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = relay.Close() })
		subject = through
	}
	subject = brokertest.Holding(subject, func(queue string) *exec.Cmd {
		child := exec.Command(os.Args[0], d.Name+":"+v.Name, queue)
		child.Env = append(os.Environ(), childOf+"="+subject.URL)
		child.Stderr = os.Stderr
		return child
	})
	brokertest.Run(t.Context(), subject, func(r brokertest.ClauseResult) {
		switch {
		case r.Unfit != brokertest.Unfit(r.Clause, d, v): // the matrix says that it applies
			t.Errorf("%s was not applied: %s", r.Clause.Name, r.Unfit)
		case r.Err != nil:
			t.Errorf("%s: %v\n\twhich matters because: %s", r.Clause.Name, r.Err, r.Clause.Why)
		case r.Unfit != "":
			t.Logf("%s does not apply: %s", r.Clause.Name, r.Unfit)
		default:
			t.Logf("%s holds: %.2f s", r.Clause.Name, r.Elapsed.Seconds())
		}
	})
}
