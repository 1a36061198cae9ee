package reports

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"taskbench/harness"
)

// GoBench writes the measured cells in the Go benchmark format, one line for each cell and repeat, so that
// benchstat compares runs. Void and unfit cells are left out: their numbers do not count. Latencies are from due
// to finish; benchstat shows them in seconds.
func GoBench(w io.Writer, r harness.Result) error {
	var b strings.Builder
	p := r.Provenance
	for _, kv := range []pair{
		{"goos", p.OS}, {"cpu", p.CPU}, {"host", p.Host}, {"kernel", p.Kernel}, {"taskbench", p.Version}, {"scenario", r.Name}, {"seed", fmt.Sprint(r.Seed)},
	} {
		if v := strings.Join(strings.Fields(kv.Value), " "); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", kv.Name, v)
		}
	}
	b.WriteString("\nUnit tasks/s better=higher\nUnit lost better=lower\nUnit duplicated better=lower\nUnit RSS-B better=lower\n\n")
	for _, g := range groupsOf(r) {
		for _, c := range g.Cells {
			if measured(c) {
				benchLine(&b, r, c)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func benchLine(b *strings.Builder, r harness.Result, c harness.Cell) {
	fmt.Fprintf(b, "Benchmark%s", benchWord(capital(r.Name)))
	for _, kv := range []pair{
		{"workload", c.Workload}, {"under", c.Under}, {"broker", c.Broker}, {"variant", c.Variant}, {"pool", c.Pool}, {"system", c.System}, {"lab", c.Lab},
		{"acks", c.Acks}, {"workers", strconv.Itoa(c.Workers)}, {"concurrency", strconv.Itoa(c.Concurrency)},
	} {
		if kv.Value != "" && kv.Value != "0" {
			fmt.Fprintf(b, "/%s=%s", kv.Name, benchWord(kv.Value))
		}
	}
	// Always said: a value that ends in a dash and a number would be taken for it.
	fmt.Fprintf(b, "-%d", max(1, r.Provenance.CPUs))
	fmt.Fprintf(b, "\t%d", max(1, c.Counts.Executed))
	if l := c.Latency[endToEnd]; l.Count > 0 {
		fmt.Fprintf(b, "\t%.0f p50-ns/op\t%.0f p99-ns/op", l.P50*1e9, l.P99*1e9)
	}
	fmt.Fprintf(b, "\t%.6g tasks/s\t%d lost\t%d duplicated", c.Throughput.Completed, c.Counts.Lost, c.Counts.Duplicated)
	if v, ok := firstCompletion.Of(c); ok {
		fmt.Fprintf(b, "\t%.0f first-completion-ns", v*1e9)
	}
	if v, ok := memory.Of(c); ok {
		fmt.Fprintf(b, "\t%.0f RSS-B", v)
	}
	b.WriteString("\n")
}

// benchWord makes a text fit for the name of a benchmark, which has no spaces, and in which a slash begins a part
// and a dash with a number at the end would be taken for a count of processors.
func benchWord(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || c == '/' || c == '=' || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, s)
	if s == "" {
		return "Run"
	}
	return s
}

// capital is the name in the way of benchmarks: broker-kill is BrokerKill.
func capital(name string) string {
	var b strings.Builder
	up := true
	for _, c := range name {
		switch {
		case c == '-' || c == '_' || unicode.IsSpace(c):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(c))
			up = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
