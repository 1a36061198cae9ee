package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The types that a fault's parameter can have, besides time.Duration, int (a count) and string (one of its choices).
type (
	Bytes   int64
	Percent float64
)

// ParsePercent reads "50%", "0.5%" or "100%". A bare 0 needs no sign.
func ParsePercent(s string) (Percent, error) {
	number, signed := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 100 || !signed && s != "0" {
		return 0, fmt.Errorf("%q is no percentage: want a number from 0%% to 100%%", s)
	}
	return Percent(f), nil
}

// FormatPercent is the inverse of ParsePercent.
func FormatPercent(p Percent) string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// ParseCount reads a whole number, 0 or more.
func ParseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no count: want a whole number, 0 or more", s)
	}
	return n, nil
}

// Parse reads a value of the parameter's type, which is that of its default, as it stands in a file.
func (p Param) Parse(text string) (v any, err error) {
	zero := false
	switch p.Default.(type) {
	case time.Duration:
		var d time.Duration
		if d, err = ParseDuration(text); err == nil && d < 0 && !p.Signed {
			err = fmt.Errorf("%q must not be negative", text)
		} else if err == nil && p.Most > 0 && d > p.Most {
			err = fmt.Errorf("%q is too long: at most %s", text, FormatDuration(p.Most))
		}
		v, zero = d, d == 0
	case Bytes:
		var n int64
		n, err = ParseSize(text)
		v, zero = Bytes(n), n == 0
	case Percent:
		var f Percent
		number, below := strings.CutPrefix(text, "-")
		if f, err = ParsePercent(number); below && !p.Signed {
			err = fmt.Errorf("%q must not be negative", text)
		} else if below {
			f = -f
		}
		v, zero = f, f == 0
	case int:
		var n int
		n, err = ParseCount(text)
		v, zero = n, n == 0
	case string:
		v = text
		if !slices.Contains(p.Choices, text) {
			err = fmt.Errorf("%s", unknown(p.Name, text, p.Choices))
		}
	default:
		err = fmt.Errorf("parameter %s takes no value of type %T", p.Name, p.Default)
	}
	if err == nil && zero && p.Positive {
		err = fmt.Errorf("%q must be %s 0", text, map[bool]string{false: "above", true: "something else than"}[p.Signed])
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// FormatValue is a parameter's value as it stands in a file, the inverse of Param.Parse.
func FormatValue(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return FormatDuration(v)
	case Bytes:
		return FormatSize(int64(v))
	case Percent:
		return FormatPercent(v)
	}
	return fmt.Sprint(v)
}

// Type says in words what a value of the parameter is: "duration", "bytes", "percentage", "count", or its choices.
func (p Param) Type() string {
	switch p.Default.(type) {
	case time.Duration:
		return "duration"
	case Bytes:
		return "bytes"
	case Percent:
		return "percentage"
	case int:
		return "count"
	case string:
		return strings.Join(p.Choices, "|")
	}
	return ""
}
