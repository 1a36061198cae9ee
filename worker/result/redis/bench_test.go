package redis

import (
	"fmt"
	"sync/atomic"
	"testing"

	broker "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

// BenchmarkStore tells how many results a second go to Redis from a hundred callers, and from one.
func BenchmarkStore(b *testing.B) {
	servertest.Needed(b)
	s := servertest.Launch(b, broker.Driver)
	for _, callers := range []int{1, 100} {
		b.Run(fmt.Sprint("callers-", callers), func(b *testing.B) {
			backend, err := Open(b.Context(), s.URL, result.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer backend.Close()
			var n atomic.Int64
			b.SetParallelism(max(1, callers/2))
			b.ReportAllocs()
			store := func() bool {
				id := fmt.Sprintf("%s-%d", b.Name(), n.Add(1))
				if err := backend.Store(b.Context(), result.Record{TaskID: id, State: result.Success, Value: []byte("5")}); err != nil {
					b.Error(err)
					return false
				}
				return true
			}
			if callers == 1 {
				for b.Loop() && store() {
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() && store() {
					}
				})
			}
			b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "stores/s")
		})
	}
}
