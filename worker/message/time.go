package message

import (
	"fmt"
	"strings"
	"time"
)

// FormatTime writes a time as every Celery version reads it: six fractional digits or none. With any other number
// of digits older versions read another moment or refuse the message.
func FormatTime(t time.Time) string {
	if t.Nanosecond() < 1000 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// A fraction of a second, of any length, is taken after the seconds of each.
var layouts = [...]string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05Z07",
	"2006-01-02T15:04",
	"2006-01-02",
}

// ParseTime reads a time of ISO 8601 as Python writes it: with "T" or a space, any number of fractional digits,
// and Z, an offset, or nothing, which stands for the given zone.
func ParseTime(s string, zone *time.Location) (time.Time, error) {
	text := s
	if len(s) > 10 && s[10] == ' ' {
		text = s[:10] + "T" + s[11:]
	}
	text = strings.Replace(text, "z", "Z", 1)
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time like 2006-01-02T15:04:05.000000+00:00", s)
}

// timestamp takes a time as a header holds it.
func timestamp(v any, zone *time.Location) (time.Time, error) {
	switch v := v.(type) {
	case string:
		return ParseTime(v, zone)
	case time.Time:
		return v, nil
	case map[string]any: // a wrapper that a driver left undecoded
		if s, ok := v["__value__"].(string); ok && v["__type__"] == "datetime" {
			return ParseTime(s, zone)
		}
	}
	return time.Time{}, fmt.Errorf("%v is not a time", v)
}
