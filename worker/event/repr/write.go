package repr

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func sorted(m map[string]json.RawMessage) []string { return slices.Sorted(maps.Keys(m)) }

// quoteFor is the single quote, unless the text holds some and no double ones.
func quoteFor(s string) byte {
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return '"'
	}
	return '\''
}

// string writes a text in quotes.
func (p *printer) string(s string) {
	quote := quoteFor(s)
	p.out = append(p.out, quote)
	for _, r := range s {
		if p.full() {
			return
		}
		p.char(r, quote)
	}
	p.out = append(p.out, quote)
}

func (p *printer) char(r rune, quote byte) {
	switch {
	case r == rune(quote) || r == '\\':
		p.out = append(p.out, '\\', byte(r))
	case r == '\n':
		p.put(`\n`)
	case r == '\r':
		p.put(`\r`)
	case r == '\t':
		p.put(`\t`)
	case r == ' ' || unicode.IsPrint(r):
		p.out = utf8.AppendRune(p.out, r)
	case r < 0x100:
		p.hex(`\x`, r, 2)
	case r < 0x10000:
		p.hex(`\u`, r, 4)
	default:
		p.hex(`\U`, r, 8)
	}
}

func (p *printer) hex(prefix string, r rune, width int) {
	digits := strconv.FormatInt(int64(r), 16)
	p.put(prefix + strings.Repeat("0", width-len(digits)) + digits)
}

// float writes with an exponent where Python does: below 0.0001 and from 1e16 on.
func (p *printer) float(f float64) {
	switch {
	case math.IsInf(f, 1):
		p.put("inf")
	case math.IsInf(f, -1):
		p.put("-inf")
	case f != 0 && (math.Abs(f) < 1e-4 || math.Abs(f) >= 1e16):
		p.out = strconv.AppendFloat(p.out, f, 'e', -1, 64)
	default:
		before := len(p.out)
		p.out = strconv.AppendFloat(p.out, f, 'f', -1, 64)
		if !bytes.ContainsRune(p.out[before:], '.') {
			p.put(".0")
		}
	}
}

// wrapped writes the object that is next as the Python value that it stands for, if it stands for one.
func (p *printer) wrapped() bool {
	const most = 4 * Limit // longer objects are no wrappers worth a look
	if i := bytes.Index(p.in[p.at:min(len(p.in), p.at+most)], []byte(`"__type__"`)); i < 0 {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(p.in[p.at:]))
	var object map[string]json.RawMessage
	if dec.Decode(&object) != nil || len(object) != 2 {
		return false
	}
	var kind, value string
	var inner struct{ Hex string }
	if json.Unmarshal(object["__type__"], &kind) != nil || object["__value__"] == nil {
		return false
	}
	if json.Unmarshal(object["__value__"], &value) != nil && json.Unmarshal(object["__value__"], &inner) != nil {
		return false
	}
	text, ok := python(kind, value, inner.Hex)
	if ok {
		p.put(text)
		p.at += int(dec.InputOffset())
	}
	return ok
}

// python is the repr of a wrapped value.
func python(kind, value, digits string) (string, bool) {
	switch kind {
	case "decimal":
		return "Decimal('" + value + "')", true
	case "uuid":
		if b, err := hex.DecodeString(digits); err == nil && len(b) == 16 {
			return "UUID('" + digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:] + "')", true
		}
	case "bytes":
		return "b" + String(value), true
	case "base64":
		if b, err := base64.StdEncoding.DecodeString(value); err == nil {
			return "b" + byteString(b), true
		}
	case "date":
		if t, err := time.Parse(time.DateOnly, value); err == nil {
			return t.Format("datetime.date(2006, 1, 2)"), true
		}
	case "datetime":
		return datetime(value)
	}
	return "", false
}

// byteString is the repr of bytes, without the b.
func byteString(b []byte) string {
	var p printer
	quote := quoteFor(string(b))
	p.out = append(p.out, quote)
	for _, c := range b {
		if p.full() {
			break
		}
		if c < utf8.RuneSelf {
			p.char(rune(c), quote)
		} else {
			p.hex(`\x`, rune(c), 2)
		}
	}
	p.out = append(p.out, quote)
	return p.text()
}

func datetime(value string) (string, bool) {
	zone := ""
	t, err := time.Parse("2006-01-02T15:04:05.999999", value)
	if err != nil {
		if t, err = time.Parse(time.RFC3339Nano, value); err != nil {
			return "", false
		}
		zone = ", tzinfo=datetime.timezone.utc"
		if _, east := t.Zone(); east != 0 {
			zone = ", tzinfo=datetime.timezone(datetime.timedelta(" + timedelta(east) + "))"
		}
	}
	text := t.Format("datetime.datetime(2006, 1, 2, ") + strconv.Itoa(t.Hour()) + ", " + strconv.Itoa(t.Minute())
	if t.Second() != 0 || t.Nanosecond() != 0 {
		text += ", " + strconv.Itoa(t.Second())
	}
	if us := t.Nanosecond() / 1000; us != 0 {
		text += ", " + strconv.Itoa(us)
	}
	return text + zone + ")", true
}

// timedelta is how Python tells a number of seconds: only the days are ever negative.
func timedelta(seconds int) string {
	if seconds < 0 {
		return "days=-1, seconds=" + strconv.Itoa(seconds+24*60*60)
	}
	return "seconds=" + strconv.Itoa(seconds)
}
