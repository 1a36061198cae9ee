//go:build !linux

package servertest

import "testing"

// Disk skips the test: file systems of a given size are mounted on Linux alone.
func Disk(t testing.TB, _, _ string) {
	t.Helper()
	t.Skip("small file systems are mounted on Linux alone")
}

// Fill skips the test, as Disk does.
func Fill(t testing.TB, _ string) (empty func()) {
	t.Helper()
	t.Skip("small file systems are mounted on Linux alone")
	return nil
}
