package sql

import "testing"

// Celery pickles results, and from 5.7 on writes them as JSON: both are read.
func TestUnpackReadsBothForms(t *testing.T) {
	for _, c := range []struct{ stored, want string }{
		{"\x80\x04K\x05.", "5"},
		{"5", "5"},
		{`{"exc_type": "ValueError"}`, `{"exc_type": "ValueError"}`},
	} {
		if got, err := unpack([]byte(c.stored)); err != nil || string(got) != c.want {
			t.Errorf("%q is %s (%v), want %s", c.stored, got, err, c.want)
		}
	}
	for _, bad := range []string{"\x80", "five", "{"} {
		if got, err := unpack([]byte(bad)); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
