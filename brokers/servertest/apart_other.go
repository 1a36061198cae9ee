//go:build !linux

package servertest

import (
	"testing"
	"time"
)

// Apart skips the test: the time of day that a program reads is changed on Linux alone.
func Apart(t testing.TB, _ time.Duration) []string {
	t.Helper()
	t.Skip("the time of day that a program reads is changed on Linux alone")
	return nil
}
