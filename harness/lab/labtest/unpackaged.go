package labtest

import (
	"slices"
	"testing"
)

// unpackaged are the brokers that Debian has no server for, and whose servers Go does not make.
var unpackaged = []string{"mongodb", "couchdb"}

// Unpackaged skips a test of a broker that the process lab lacks a server for, where Debian has none that would do. It is for
// tests that were asked for this lab by name: any other server has to be there.
func Unpackaged(t testing.TB, broker string, why error) {
	t.Helper()
	if slices.Contains(unpackaged, broker) {
		t.Skipf("Debian has no server for %s that would do: %v", broker, why)
	}
}
