package ledger

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// version 8, variant of RFC 9562
var uuid8 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestIDsAreUUIDsThatCarryRunAndNumber(t *testing.T) {
	run := NewRun(rand.NewPCG(1, 2))
	for _, seq := range []uint64{0, 1, 255, 1 << 40, MaxSeq - 1} {
		id := run.ID(seq)
		if !uuid8.MatchString(id) {
			t.Errorf("ID(%d) = %q", seq, id)
		}
		if got, ok := run.Parse(id); !ok || got != seq {
			t.Errorf("Parse(ID(%d)) = %d, %v", seq, got, ok)
		}
	}
	again, err := ParseRun(run.Tag())
	if err != nil || again != run {
		t.Errorf("ParseRun(Tag()) = %v, %v, want %v", again, err, run)
	}
}

func TestParseKnowsItsOwnIDsOnly(t *testing.T) {
	run, other := NewRun(rand.NewPCG(1, 2)), NewRun(rand.NewPCG(1, 3))
	id := run.ID(77)
	foreign := []string{"", "x", other.ID(77), strings.ToUpper(run.ID(0xabc)), id[:35], id + "0", id[:35] + "g", "{" + id + "}"}
	for i := range prefixLen {
		b := []byte(id)
		b[i] ^= 1
		foreign = append(foreign, string(b))
	}
	for _, s := range foreign {
		if seq, ok := run.Parse(s); ok {
			t.Errorf("Parse(%q) = %d, want not ok", s, seq)
		}
	}
	if _, ok := (Run{}).Parse(id); ok {
		t.Error("the zero Run knows an id")
	}
	for _, tag := range []string{"", "zz", run.Tag()[:19], run.Tag() + "00", strings.Repeat("0", 20)} {
		if _, err := ParseRun(tag); err == nil {
			t.Errorf("ParseRun(%q) succeeded", tag)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	run := NewRun(rand.NewPCG(1, 2))
	id := run.ID(12345)
	ok := true
	if n := testing.AllocsPerRun(100, func() { _, ok = run.Parse(id) }); n != 0 || !ok {
		t.Errorf("Parse allocates %v times (ok %v)", n, ok)
	}
}

func BenchmarkParse(b *testing.B) {
	run := NewRun(rand.NewPCG(1, 2))
	id := run.ID(12345)
	for b.Loop() {
		if _, ok := run.Parse(id); !ok {
			b.Fatal("not parsed")
		}
	}
}
