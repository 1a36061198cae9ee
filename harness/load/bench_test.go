package load

import (
	"testing"
	"time"
)

// BenchmarkGenerator is the figure that the generator must reach: 50,000 due tasks a second, with a schedule
// error whose p99 is below a millisecond.
func BenchmarkGenerator(b *testing.B) {
	for b.Loop() {
		r, err := SelfBench(b.Context(), 50_000, 2*time.Second)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.OK)/2, "tasks/s")
		b.ReportMetric(float64(r.Schedule.P99.Microseconds()), "schedule-p99-µs")
		b.ReportMetric(float64(r.Lag.P99.Microseconds()), "start-p99-µs")
		b.ReportMetric(float64(r.Lag.Max.Microseconds()), "start-max-µs")
	}
}

func TestSelfBenchOffersWhatItIsAsked(t *testing.T) {
	r, err := SelfBench(t.Context(), 5000, 200*time.Millisecond)
	if err != nil || r.Asked != 1000 || r.OK != 1000 {
		t.Errorf("report %v, %v: want 1000 of 1000", r, err)
	}
}
