package redis

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"taskbench/brokers/kombu"
)

// restored are the arguments of the commands by which a Celery worker gave back an abandoned task, and booked it
// again: the element that it pushed, and the booking that it wrote.
func restored(t *testing.T) (element, value string) {
	t.Helper()
	var file struct {
		Commands []string `json:"restore_commands"`
	}
	load(t, "visibility-restore-56", &file)
	last := regexp.MustCompile(`"(?:[^"\\]|\\.)*"$`)
	for _, c := range file.Commands {
		arg, err := strconv.Unquote(last.FindString(c))
		switch {
		case strings.Contains(c, `"RPUSH"`):
			element = arg
		case strings.Contains(c, `"HSET"`):
			value = arg
		}
		if err != nil && (element == "" || value == "") && strings.Contains(c, "PUSH") {
			t.Fatal(err)
		}
	}
	if element == "" || value == "" {
		t.Fatal("the capture has no RPUSH or no HSET")
	}
	return element, value
}

func TestMarksAreThoseOfKombu(t *testing.T) {
	theirs, _ := restored(t)
	unmarked := strings.NewReplacer(`, "redelivered": true`, "").Replace(theirs)
	if _, again := kombu.Decode("q", unmarked); again {
		t.Fatal("the marks were not taken off")
	}
	if got := marked(unmarked); !reflect.DeepEqual(fields(t, got), fields(t, theirs)) {
		t.Errorf("got  %s\nwant %s", got, theirs)
	}
	m, again := kombu.Decode("q", theirs)
	if !again {
		t.Error("kombu's marks are not seen")
	}
	if _, there := m.Headers["redelivered"]; there {
		t.Error("the transport's mark is among the publisher's headers")
	}
}

func TestMarkingKeepsEverythingElse(t *testing.T) {
	raw := `{"body":"","headers":{"n":12345678901234567890123,"f":1.0},"properties":{"x-mine":{"a":1e400},"delivery_tag":7}}`
	got := marked(raw)
	for _, part := range []string{`12345678901234567890123`, `"f":1.0`, `"x-mine":{"a":1e400}`, `"delivery_tag":7`, `"redelivered":true`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	for _, garbage := range []string{"", "nonsense", "[1]", "null", `{"headers":7}`, `{"headers":{},"properties":[]}`} {
		if marked(garbage) != garbage {
			t.Errorf("%q became %q", garbage, marked(garbage))
		}
	}
}

func TestBookings(t *testing.T) {
	element, value := restored(t)
	b, err := parseBooking(value)
	if err != nil || b.routingKey != "celery" || b.exchange != "" || !reflect.DeepEqual(fields(t, b.envelope), fields(t, element)) {
		t.Errorf("kombu's booking is read as %+v, %v", b, err)
	}
	for _, raw := range []string{"nonsense", "", `{"a":1}`, `, "", "trap"]`, "\xff\x00"} {
		for _, queue := range []string{"celery", `odd "queue"`, "größe"} {
			b, err := parseBooking("[" + raw + bookingTail(queue))
			if err != nil || b.envelope != raw || b.routingKey != queue {
				t.Errorf("booking of %q in %q is read as %+v, %v", raw, queue, b, err)
			}
		}
	}
	for _, foreign := range []string{"", "x", "[1]", `["a", "", 5]`, "{}"} {
		if b, err := parseBooking(foreign); err == nil {
			t.Errorf("%q is read as %+v", foreign, b)
		}
	}
}

// Whatever a list holds can be booked and marked.
func FuzzMarked(f *testing.F) {
	for _, raws := range captured(f, "publish-unicode-56") {
		for _, raw := range raws {
			f.Add(raw)
		}
	}
	f.Add(`{"headers": {"a": [1, 2.5, NaN]}, "body": "\ud800"}`)
	f.Fuzz(func(t *testing.T, s string) {
		if again := marked(s); !json.Valid([]byte(s)) && again != s {
			t.Errorf("what is no JSON became %q", again)
		}
		if _, err := parseBooking("[" + s + bookingTail("q")); err != nil {
			t.Errorf("the booking cannot be read: %v", err)
		}
	})
}
