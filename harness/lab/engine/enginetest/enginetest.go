// Package enginetest is for tests that are nothing without a container engine.
package enginetest

import (
	"errors"
	"os"
	"testing"

	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

// Needed returns a client of the engine, which is closed with the test. Where none answers the test is skipped, but fails
// where BENCH_LAB demands the container lab.
func Needed(t testing.TB) *client.Client {
	t.Helper()
	c, err := engine.Connect(t.Context())
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrAbsent) && os.Getenv("BENCH_LAB") != "docker":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
