package schedule

import (
	"errors"
	"testing"
	"time"
)

// FuzzParse holds what Parse accepts to the promises of Schedule and of the text form.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"* * * * *", "*/5 0 * * mon-fri", "50-10/5 22-2 */2 jan-mar,DEC fri-mon Europe/Berlin", "0 0 29 2 *", "0 0 30 2 *",
		"30 2 * * * America/New_York", "20,40 2 * * * Australia/Lord_Howe", "0 12 30 12 * Pacific/Apia", "5,10,, * * * *", "1-5-7 * * * *",
		"every 30s", "every 1h30m aligned", "every 24h relative Pacific/Apia", "every 1ns", "every -1s", "solar sunrise 1 2", "@daily",
		"at 2012-01-01T00:00:00Z", "AT 9999-12-31T23:59:59.999999999-12:00", "at noon",
	} {
		f.Add(text, int64(1_325_200_000), int64(3600))
		f.Add(text, int64(-1), int64(1))
	}
	f.Fuzz(func(t *testing.T, text string, second, later int64) {
		s, err := Parse(text)
		if err != nil {
			if s != nil {
				t.Fatalf("%q: a schedule and an error: %v", text, err)
			}
			return
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q is written %q, which is read as %v, %v", text, s, again, err)
		}
		const years = 2000 * 365 * 24 * 3600 // on both sides of 1970
		a := time.Unix(second%years, 0)
		b := a.Add(time.Duration(later&0xffffffff) * time.Second)
		x, err := s.Next(a)
		if errors.Is(err, ErrEnd) {
			return
		}
		y, errY := s.Next(b)
		if errors.Is(errY, ErrEnd) {
			return
		}
		z, errZ := again.Next(a)
		if err != nil || errY != nil || errZ != nil {
			t.Fatalf("%q is accepted but gives %v, %v, %v", text, err, errY, errZ)
		}
		if !x.After(a) || !y.After(b) || y.Before(x) || !z.Equal(x) {
			t.Fatalf("%s: %s after %s, %s after %s, read back %s", s, x, a, y, b, z)
		}
	})
}
