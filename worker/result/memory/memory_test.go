package memory_test

import (
	"context"
	"strings"
	"testing"

	"taskbench/worker/result"
	"taskbench/worker/result/memory"
	"taskbench/worker/result/resulttest"
)

func TestContract(t *testing.T) {
	resulttest.Run(t, resulttest.Subject{Open: func(ctx context.Context, o result.Options) (result.Backend, error) {
		return memory.Open(ctx, "memory://contract", o)
	}})
}

func TestStoresWithoutANameAreApart(t *testing.T) {
	a, errA := memory.Open(t.Context(), "memory://", result.Options{})
	b, errB := memory.Open(t.Context(), "memory://", result.Options{})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if err := a.Store(t.Context(), result.Record{TaskID: "t", State: result.Success}); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Get(t.Context(), "t"); err != nil || r.State != result.Pending {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := memory.Open(t.Context(), "redis://u:secret@h", result.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("another scheme: %v", err)
	}
}
