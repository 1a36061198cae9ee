// Package units spells quantities for people: "1.2 ms", "48.3 MiB", "1,204". Numbers carry three significant
// digits where digits cost nothing to know, and none are invented.
package units

import (
	"math"
	"strconv"
	"strings"
)

// None stands for a quantity that was not measured.
const None = "–"

// Count spells a whole number with thousands separated: 1,204.
func Count[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Number spells a plain number with three significant digits, or all digits of its whole part: 0.125, 43.1, 1,204.
func Number(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return None
	case x == 0:
		return "0"
	case math.Abs(x) >= 999.5:
		return Count(int64(math.Round(x)))
	case math.Abs(x) < 1e-6:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	// How many decimals three significant digits take depends on the number as it is after rounding.
	decimals := max(0, 2-int(math.Floor(math.Log10(math.Abs(x)*1.0000001))))
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Seconds spells a duration given in seconds: 850 ns, 12.3 µs, 1.2 ms, 43.1 s, 12 min 30 s, 3 h 5 min.
func Seconds(s float64) string {
	a := math.Abs(s)
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return None
	case s == 0:
		return "0 s"
	case a < 0.9995e-6:
		return Number(s*1e9) + " ns"
	case a < 0.9995e-3:
		return Number(s*1e6) + " µs"
	case a < 0.9995:
		return Number(s*1e3) + " ms"
	case a < 600:
		return Number(s) + " s"
	case a < 3600:
		return pair(s, 60, "min", "s")
	default:
		return pair(s/60, 60, "h", "min")
	}
}

// pair spells a quantity in small units as big ones and the rest: 750 s as 12 min 30 s.
func pair(small, per float64, bigName, smallName string) string {
	sign := ""
	if small < 0 {
		sign, small = "-", -small
	}
	n := int64(math.Round(small))
	big, rest := n/int64(per), n%int64(per)
	if rest == 0 {
		return sign + Count(big) + " " + bigName
	}
	return sign + Count(big) + " " + bigName + " " + Count(rest) + " " + smallName
}

// Bytes spells a size in binary units: 512 B, 48.3 MiB, 1.5 GiB.
func Bytes(b float64) string {
	if math.IsNaN(b) || math.IsInf(b, 0) {
		return None
	}
	names := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for math.Abs(b) >= 1023.5 && i < len(names)-1 {
		b /= 1024
		i++
	}
	return Number(b) + " " + names[i]
}

// Percent spells a ratio: 0.123 is 12.3 %.
func Percent(ratio float64) string {
	s := Number(ratio * 100)
	if s == None {
		return s
	}
	return s + " %"
}

// Change spells a ratio of two quantities as what was added: 1.123 is +12.3 %, and from three times on 3.1×.
func Change(ratio float64) string {
	switch {
	case math.IsNaN(ratio) || math.IsInf(ratio, 0):
		return None
	case ratio >= 3:
		return Number(ratio) + "×"
	case ratio >= 1:
		return "+" + Percent(ratio-1)
	default:
		return strings.Replace(Percent(ratio-1), "-", "−", 1)
	}
}

// Plural spells a count with its noun: 1 cell, 8 cells. The plural is the noun with an s.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}
