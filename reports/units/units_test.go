package units

import (
	"math"
	"testing"
)

func TestSpelling(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1204), "1,204"}, {Count(-1234567), "-1,234,567"},
		{Number(0), "0"}, {Number(0.125), "0.125"}, {Number(199.84), "200"}, {Number(43.14), "43.1"}, {Number(9.996), "10"},
		{Number(1204.4), "1,204"}, {Number(999.7), "1,000"}, {Number(1e-9), "1e-09"}, {Number(-2.5), "-2.5"},
		{Number(math.NaN()), None}, {Number(math.Inf(1)), None},
		{Seconds(0), "0 s"}, {Seconds(850e-9), "850 ns"}, {Seconds(12.34e-6), "12.3 µs"}, {Seconds(0.0012), "1.2 ms"},
		{Seconds(0.99999), "1 s"}, {Seconds(43.12), "43.1 s"}, {Seconds(120), "120 s"}, {Seconds(750), "12 min 30 s"},
		{Seconds(660), "11 min"}, {Seconds(11100), "3 h 5 min"}, {Seconds(-0.002), "-2 ms"}, {Seconds(math.NaN()), None},
		{Bytes(512), "512 B"}, {Bytes(1024), "1 KiB"}, {Bytes(48.3 * (1 << 20)), "48.3 MiB"}, {Bytes(1.5 * (1 << 30)), "1.5 GiB"},
		{Bytes(1<<50 + 1), "1,024 TiB"}, {Bytes(math.Inf(-1)), None},
		{Percent(0.1234), "12.3 %"}, {Change(1.1234), "+12.3 %"}, {Change(0.9), "−10 %"}, {Change(3.14), "3.14×"}, {Change(1), "+0 %"},
		{Plural(1, "cell"), "1 cell"}, {Plural(0, "cell"), "0 cells"}, {Plural(1204, "task"), "1,204 tasks"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
