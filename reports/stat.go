package reports

import (
	"math"
	"slices"
)

// A Stat is one quantity over the repeats of a cell. Its zero value was never measured.
type Stat struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	N      int     `json:"n"`
}

func statOf(values []float64) Stat {
	if len(values) == 0 {
		return Stat{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Stat{Median: median, Low: s[0], High: s[len(s)-1], N: len(s)}
}

// Differs reports whether two quantities were shown to differ: both have repeats, and the ranges of these do not
// meet. One repeat shows no difference, however large it looks.
func (s Stat) Differs(o Stat) bool {
	return s.N > 1 && o.N > 1 && (s.Low > o.High || s.High < o.Low)
}

// Ratio is the other's median as a multiple of this one's; NaN where there is none.
func (s Stat) Ratio(o Stat) float64 {
	if s.N == 0 || o.N == 0 || s.Median == 0 {
		return math.NaN()
	}
	return o.Median / s.Median
}
