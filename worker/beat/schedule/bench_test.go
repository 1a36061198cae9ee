package schedule

import (
	"testing"
	"time"
)

func BenchmarkNext(b *testing.B) {
	for _, text := range []string{
		"* * * * *",
		"*/5 0 * * mon-fri",
		"0 0 29 2 *",
		"0 0 29 2 mon",
		"0 0 29 2 * America/New_York",
		"30 2 * * * Europe/Berlin",
		"every 30s",
	} {
		b.Run(text, func(b *testing.B) {
			s, err := Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			after := at(b, "2072-03-01T00:00:00Z") // the next Monday that is a 29 February is 40 years off
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(after); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLatest(b *testing.B) {
	now := at(b, "2024-03-01T00:00:00Z")
	s := Crontab{}
	for b.Loop() {
		if _, _, err := Latest(s, now.Add(-10*365*24*time.Hour), now); err != nil {
			b.Fatal(err)
		}
	}
}
