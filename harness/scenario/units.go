package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads "20ms", "1m30s" or "8h". A bare 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: want a number with ns, us, ms, s, m or h, such as 20ms, 30s or 8h", s)
	}
	return d, nil
}

// FormatDuration is the inverse of ParseDuration.
func FormatDuration(d time.Duration) string {
	s := d.String()
	// time.Duration says 1m0s and 8h0m0s.
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return strings.Replace(s, "µ", "u", 1)
}

// ParseRate reads "200/s", "50k/s", "600/m" or "1.5/h", in tasks a second.
func ParseRate(s string) (float64, error) {
	wrong := fmt.Errorf("%q is no rate: want a number of tasks for each s, m or h, such as 200/s, 50k/s or 600/m", s)
	number, unit, ok := strings.Cut(s, "/")
	if !ok {
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return 0, fmt.Errorf("%w; did you mean %s/s?", wrong, s)
		}
		return 0, wrong
	}
	per, ok := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	if !ok {
		return 0, wrong
	}
	number, times := strings.TrimSpace(number), 1.0
	switch {
	case strings.HasSuffix(number, "k"):
		number, times = number[:len(number)-1], 1e3
	case strings.HasSuffix(number, "M"):
		number, times = number[:len(number)-1], 1e6
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return 0, wrong
	}
	return f * times / per, nil
}

// FormatRate is the inverse of ParseRate, always in tasks a second.
func FormatRate(r float64) string { return strconv.FormatFloat(r, 'f', -1, 64) + "/s" }

// sizeUnits from the longest suffix to the shortest, since the last is the end of all others.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// ParseSize reads "1MiB", "64KiB", "10MB" or "512B", in bytes. A bare 0 needs no unit.
func ParseSize(s string) (int64, error) {
	if s == "0" {
		return 0, nil
	}
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if bytes := f * float64(u.bytes); err == nil && bytes >= 0 && bytes < 1<<62 && bytes == math.Trunc(bytes) {
			return int64(bytes), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is no size: want a number with B, KiB, MiB, GiB, kB, MB or GB, such as 64KiB", s)
}

// FormatSize is the inverse of ParseSize, in the largest binary unit that is exact.
func FormatSize(n int64) string {
	for _, u := range sizeUnits[:3] {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
