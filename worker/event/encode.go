package event

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// system is what Celery calls sw_sys: Python's platform.system().
var system = map[string]string{"linux": "Linux", "darwin": "Darwin", "windows": "Windows"}[runtime.GOOS]

// maxText is how much of one text is sent. Only tracebacks come near.
const maxText = 32 << 10

// An encoder writes one event as JSON, in the order in which Celery writes it.
type encoder struct {
	buf []byte
	now time.Time
}

func prefix(hostname string, pid int) string {
	e := encoder{buf: []byte(`{"hostname": `)}
	e.string(hostname)
	return string(e.buf) + `, "pid": ` + strconv.Itoa(pid)
}

// begin writes what events of all types begin with, but for the clock.
func (s *Sender) begin() encoder {
	e := encoder{buf: make([]byte, 0, 384), now: time.Now()}
	e.buf = append(e.buf, s.prefix...)
	e.integer("utcoffset", int64(west(e.now)))
	return e
}

// end writes what events of all types end with, and queues the event under the routing key.
func (s *Sender) end(e encoder, kind, key string) {
	e.name("timestamp")
	e.buf = strconv.AppendFloat(e.buf, float64(e.now.UnixMicro())/1e6, 'f', 6, 64)
	e.text("type", kind)
	e.name("clock")
	s.mu.Lock()
	defer s.mu.Unlock()
	e.integerValue(s.options.Clock.Forward())
	e.buf = append(e.buf, '}')
	s.put(item{key: key, body: e.buf})
}

// west is the offset of local time as Celery tells it: whole hours west of UTC, rounded down.
func west(t time.Time) int {
	_, east := t.Zone()
	return int(math.Floor(float64(-east) / 3600))
}

func (e *encoder) name(name string) {
	e.buf = append(e.buf, ", "...)
	e.string(name)
	e.buf = append(e.buf, ": "...)
}

func (e *encoder) text(name, v string)          { e.name(name); e.string(v) }
func (e *encoder) integer(name string, v int64) { e.name(name); e.integerValue(v) }
func (e *encoder) integerValue(v int64)         { e.buf = strconv.AppendInt(e.buf, v, 10) }
func (e *encoder) boolean(name string, v bool)  { e.name(name); e.buf = strconv.AppendBool(e.buf, v) }
func (e *encoder) float(name string, v float64) { e.name(name); e.floatValue(v) }
func (e *encoder) null(name string)             { e.name(name); e.buf = append(e.buf, "null"...) }

// textOrNull writes null for no text: Celery does for ids that a task does not have.
func (e *encoder) textOrNull(name, v string) {
	if v == "" {
		e.null(name)
		return
	}
	e.text(name, v)
}

// instant writes a time as Python's isoformat does, or null for none.
func (e *encoder) instant(name string, t time.Time) {
	if t.IsZero() {
		e.null(name)
		return
	}
	e.text(name, t.UTC().Format("2006-01-02T15:04:05.999999+00:00"))
}

// floatValue writes what a Python reader takes for a float, even when it is a whole number.
func (e *encoder) floatValue(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		e.buf = append(e.buf, "null"...)
		return
	}
	before := len(e.buf)
	e.buf = strconv.AppendFloat(e.buf, v, 'g', -1, 64)
	if !strings.ContainsAny(string(e.buf[before:]), ".e") {
		e.buf = append(e.buf, ".0"...)
	}
}

func (e *encoder) floats(name string, vs []float64) {
	e.name(name)
	e.buf = append(e.buf, '[')
	for i, v := range vs {
		if i > 0 {
			e.buf = append(e.buf, ", "...)
		}
		e.floatValue(v)
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) string(s string) {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			raw, _ := json.Marshal(s) // a string never fails
			e.buf = append(e.buf, raw...)
			return
		}
	}
	e.buf = append(append(append(e.buf, '"'), s...), '"')
}

// value writes a field's value of any kind.
func (e *encoder) value(v any) {
	switch v := v.(type) {
	case string:
		e.string(v)
		return
	case int:
		e.integerValue(int64(v))
		return
	case float64:
		e.floatValue(v)
		return
	}
	raw, err := json.Marshal(v)
	if err != nil {
		e.string(fmt.Sprint(v))
		return
	}
	e.buf = append(e.buf, raw...)
}

// LoadAverage is the host's load over 1, 5 and 15 minutes, or zeros where the system does not tell.
func LoadAverage() (load [3]float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return load
	}
	fields := strings.Fields(string(text))
	for i := range min(len(load), len(fields)) {
		load[i], _ = strconv.ParseFloat(fields[i], 64)
	}
	return load
}
