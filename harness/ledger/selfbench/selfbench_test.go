package selfbench

import "testing"

func TestRunJudgesRightly(t *testing.T) {
	r, err := Run(t.TempDir(), 50_000)
	if err != nil {
		t.Fatal(err)
	}
	if r.Event <= 0 || r.Judge <= 0 || r.FileBytes == 0 || r.Read <= 0 {
		t.Errorf("not measured: %+v", r)
	}
}

// The figures for ten million tasks: go test -run - -bench TenMillion -benchtime 1x ./harness/ledger/selfbench
func BenchmarkTenMillion(b *testing.B) {
	for b.Loop() {
		r, err := Run(b.TempDir(), 10_000_000)
		if err != nil {
			b.Fatal(err)
		}
		b.Log(r)
		b.ReportMetric(float64(r.Event.Nanoseconds()), "ns/event")
		b.ReportMetric(r.BytesPer, "B/task")
		b.ReportMetric(r.Judge.Seconds(), "s/judge")
		b.ReportMetric(float64(r.PeakRSS>>20), "MiB/peak")
	}
}
