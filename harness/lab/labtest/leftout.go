package labtest

import (
	"testing"

	"taskbench/harness/lab/images"
)

// LeftOut skips a test of an image that is optional and could not be built here.
func LeftOut(t testing.TB, tag string) {
	t.Helper()
	known, err := images.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range known {
		if i.Tag == tag && i.Optional != "" && i.ID == "" {
			t.Skipf("there is no %s, which is optional: %s", tag, i.Optional)
		}
	}
}
