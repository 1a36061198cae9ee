package schedule

import (
	"errors"
	"testing"
	"time"
)

func TestClockedTicksOnce(t *testing.T) {
	s, err := Parse("at 2024-05-01t12:00:00+02:00")
	if err != nil || s.String() != "at 2024-05-01T12:00:00+02:00" {
		t.Fatal(s, err)
	}
	when := at(t, "2024-05-01T10:00:00Z")
	if got, err := s.Next(when.Add(-1)); err != nil || !got.Equal(when) {
		t.Errorf("just before it: %s, %v", got, err)
	}
	for _, after := range []time.Time{when, when.Add(time.Hour)} {
		if got, err := s.Next(after); !errors.Is(err, ErrEnd) {
			t.Errorf("after %s: %s, %v", after, got, err)
		}
	}
	if got, found, err := Latest(s, when.Add(-time.Hour), when); err != nil || !found || !got.Equal(when) {
		t.Errorf("looking back: %s, %v, %v", got, found, err)
	}
}

func TestClockedThatIsNone(t *testing.T) {
	for _, text := range []string{"at", "at noon", "at 2024-05-01", "at 2024-05-01T12:00:00", "at 2024-05-01T12:00:00Z UTC"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q is read as %s", text, s)
		}
	}
}
