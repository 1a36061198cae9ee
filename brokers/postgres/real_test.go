package postgres

import (
	"testing"

	"taskbench/brokers"
)

func openAt(t testing.TB, url string, v brokers.Variant) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*broker)
}
