package dossier

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"taskbench/harness"
	"taskbench/harness/ledger"
)

const ms = int64(time.Millisecond)

// begin is when the run began on the host's clock.
const begin = int64(time.Hour)

// A step is one event of a worker's attempt, in milliseconds since the load began.
type step struct {
	kind ledger.Kind
	at   int64
	how  ledger.Outcome
}

// A written task is published at 1 s, and then each attempt goes its way on the worker of its number.
type written struct {
	publish  ledger.PublishOutcome
	attempts [][]step
}

var (
	got  = func(at int64) step { return step{kind: ledger.Received, at: at} }
	runs = func(at int64) step { return step{kind: ledger.Started, at: at} }
	ends = func(at int64, o ledger.Outcome) step { return step{ledger.Finished, at, o} }
	acks = func(at int64) step { return step{kind: ledger.Acked, at: at} }
)

var testRun = ledger.NewRun(rand.NewPCG(1, 1))

func opened(t *testing.T, durability string, meta ledger.Meta, logs fstest.MapFS, tasks ...written) *Book {
	t.Helper()
	r := ledger.NewRecorder(testRun, begin)
	for i, w := range tasks {
		seq := uint64(i)
		r.Due(seq, begin+900*ms)
		if w.publish != ledger.Unpublished {
			r.PublishStart(seq, begin+950*ms)
			r.PublishEnd(seq, begin+1000*ms, w.publish)
		}
		for j, steps := range w.attempts {
			for _, s := range steps {
				r.Apply(ledger.Event{Task: seq, Attempt: uint64(100*i + j + 1), At: begin + s.at*ms, PID: uint32(70 + j), Node: uint16(j + 1), Kind: s.kind, Outcome: s.how})
			}
		}
	}
	meta.Nodes, meta.Started, meta.DrainEnded = []string{"broker", "worker-1", "worker-2"}, "2026-01-02T10:00:00Z", 9000*ms
	cell := harness.Cell{Durability: durability, History: "history.x.y.prefork.io.1.tbz", Logs: []string{"logs/x.y.prefork.io.1.worker-1.log", "logs/gone.log"}}
	cell.Expectations = []harness.Expectation{{Expect: "lost == 0", Held: false}, {Expect: "duplicated == 0", Held: true}}
	b, err := NewBook(cell, r.Freeze(meta), logs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hurt(number int, fault, node string, from, to int64) ledger.FaultSpan {
	return ledger.FaultSpan{Number: number, Fault: fault, Node: node, At: from * ms, InEffect: from * ms, Healed: to * ms, Proof: "seen"}
}

// What became of a task, and the reason that is given, follow from its events, the faults, the durability and the acks.
func TestVerdicts(t *testing.T) {
	kill := hurt(3, "kill", "broker", 1300, 2000)
	workerKill := hurt(4, "kill", "worker-1", 1300, 2000)
	whole := [][]step{{got(1010), runs(1020), ends(1100, ledger.OK), acks(1110)}}
	tests := []struct {
		name, durability, acks string
		task                   written
		faults                 []ledger.FaultSpan
		undrained              bool
		class                  string
		says                   []string
		not                    string
	}{
		{name: "done", task: written{ledger.PublishOK, whole}, faults: []ledger.FaultSpan{kill}, class: "executed", says: []string{"by worker-1 at 1.100 s, ok, 0.200 s after it was due"}, not: "fault"},
		{name: "forgotten", durability: "memory", task: written{ledger.PublishOK, nil}, faults: []ledger.FaultSpan{kill}, class: "lost",
			says: []string{"acknowledged to its publisher at 1.000 s and never received by any worker", "fault 3, kill on broker began at 1.300 s with durability memory"}},
		{name: "should be there", durability: "fsync", task: written{ledger.PublishOK, nil}, faults: []ledger.FaultSpan{kill}, class: "lost", says: []string{"durability fsync should have outlived"}},
		{name: "a fault before is no reason", durability: "memory", task: written{ledger.PublishOK, nil}, faults: []ledger.FaultSpan{hurt(1, "kill", "broker", 200, 500)}, class: "lost", says: []string{"nothing which was done explains it"}, not: "fault 1"},
		{name: "early", acks: "early", task: written{ledger.PublishOK, [][]step{{got(1010), acks(1015), runs(1020)}}}, faults: []ledger.FaultSpan{kill, workerKill}, class: "lost",
			says: []string{"acknowledged to the broker at 1.015 s, started by worker-1 at 1.020 s and never finished", "fault 4, kill on worker-1", "(acks early)"}, not: "broker began"},
		{name: "not handed out again", durability: "fsync", task: written{ledger.PublishOK, [][]step{{got(1010), runs(1020)}}}, faults: []ledger.FaultSpan{workerKill}, class: "lost", says: []string{"fault 4, kill on worker-1 began at 1.300 s, and the broker did not hand it out again"}},
		{name: "perhaps", task: written{ledger.PublishOK, nil}, undrained: true, class: "missing", says: []string{"perhaps not lost, since the drain did not end"}},
		{name: "twice", task: written{ledger.PublishOK, [][]step{{got(1010), runs(1020), ends(1290, ledger.OK)}, {got(2100), runs(2110), ends(2120, ledger.OK), acks(2130)}}}, faults: []ledger.FaultSpan{kill},
			class: "duplicated", says: []string{"2 times: first by worker-1 at 1.290 s, which was never acknowledged", "fault 3"}},
		{name: "acknowledged to nobody", task: written{ledger.PublishOK, [][]step{{got(1010), runs(1020), ends(1310, ledger.OK), acks(1320)}, {got(2100), runs(2110), ends(2120, ledger.OK), acks(2130)}}},
			faults: []ledger.FaultSpan{kill, hurt(5, "kill", "worker-1", 5000, 6000)}, class: "duplicated", says: []string{"acknowledged at 1.320 s, and handed out again all the same; fault 3, kill on broker"}},
		{name: "second attempt", task: written{ledger.PublishOK, [][]step{{got(1010), runs(1020)}, {got(2100), runs(2110), ends(2120, ledger.OK), acks(2130)}}}, faults: []ledger.FaultSpan{workerKill},
			class: "executed", says: []string{"by worker-2", "the attempt before was started by worker-1 at 1.020 s and never finished; fault 4"}},
		{name: "refused", task: written{ledger.PublishFailed, nil}, faults: []ledger.FaultSpan{hurt(2, "disconnect", "broker", 800, 1500)}, class: "refused", says: []string{"while in force: fault 2, disconnect on broker"}},
		{name: "recovered", task: written{ledger.PublishUnknown, whole}, class: "recovered", says: []string{"how its publish went was unknown"}},
		{name: "unknown", task: written{ledger.PublishUnknown, nil}, class: "unknown", says: []string{"never answered", "while no fault was in force"}},
		{name: "unpublished", task: written{ledger.Unpublished, nil}, class: "unpublished", says: []string{"never published"}},
		{name: "unexpected", task: written{ledger.Unpublished, whole}, class: "unexpected", says: []string{"never published, and run to its end once"}},
		{name: "aside", task: written{ledger.PublishOK, [][]step{{{kind: ledger.Malformed, at: 1010}}}}, class: "kept aside", says: []string{"after 1 attempt"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := opened(t, tt.durability, ledger.Meta{Faults: tt.faults, Drained: !tt.undrained, Acks: tt.acks}, nil, tt.task)
			d, ok := b.Of(0)
			if !ok || d.Class != tt.class || len(d.Events) == 0 {
				t.Errorf("%v: class %s with %d events: %s", ok, d.Class, len(d.Events), d.Verdict)
			}
			for _, s := range tt.says {
				if !strings.Contains(d.Verdict, s) {
					t.Errorf("%q does not say %q", d.Verdict, s)
				}
			}
			if tt.not != "" && strings.Contains(d.Verdict, tt.not) {
				t.Errorf("%q says %q", d.Verdict, tt.not)
			}
		})
	}
}

func TestDossier(t *testing.T) {
	logs := fstest.MapFS{"logs/x.y.prefork.io.1.worker-1.log": {Data: []byte("" +
		"time=2026-01-02T10:00:00.100Z too early\n" +
		"\x1b[38;5;160m2026-01-02 10:00:00.950000+00:00 [info] near the publish\x1b[0m\a\n" +
		"2026-01-02 10:00:00.950000+00:00 [info] near the publish\n" +
		"   a line without a time goes with the one before\n" +
		"1:M 02 Jan 2026 10:00:01.310 * near the fault\n" +
		"2026-01-02T12:00:05+02:00 far away\n" +
		"2026-01-02T10:00:08Z about " + testRun.ID(1) + "\n")}}
	meta := ledger.Meta{Drained: true, Acks: "early", Faults: []ledger.FaultSpan{hurt(1, "pause", "broker", 100, 200), hurt(2, "pause", "broker", 940, 1005), hurt(4, "kill", "worker-1", 1300, 0)}}
	b := opened(t, "fsync", meta, logs,
		written{ledger.PublishOK, [][]step{{got(1010), runs(1020), ends(1100, ledger.OK), acks(1110)}}},
		written{ledger.PublishOK, [][]step{{got(1010), acks(1015), runs(1020), {kind: ledger.Told, at: 1050}}}})
	if got := b.Failing(); len(got) != 1 || got[0] != "lost" {
		t.Fatalf("failing checks: %v", got)
	}
	list := b.First("lost", 3)
	if len(list) != 1 || list[0].ID != testRun.ID(1) {
		t.Fatalf("the first lost tasks are %+v", list)
	}
	var text strings.Builder
	if err := Text(&text, list[0]); err != nil {
		t.Fatal(err)
	}
	want := `task ` + testRun.ID(1) + ` of x.y.prefork.io.1
  lost: acknowledged to its publisher at 1.000 s and acknowledged to the broker at 1.015 s, started by worker-1 at 1.020 s and never finished; fault 4, kill on worker-1 began at 1.300 s, after the broker had been told to forget it (acks early).

         time  what                                 node       process  faults in force
      0.900 s  due
      0.950 s  publish begun                                            2: pause on broker
      1.000 s  publish acknowledged by the broker                       2: pause on broker
      1.010 s  attempt 1 received                   worker-1        70
      1.015 s  attempt 1 acknowledged               worker-1        70
      1.020 s  attempt 1 started                    worker-1        70
      1.050 s  attempt 1 told of its soft limit     worker-1        70

  faults
      0.940 s  2: pause on broker, healed at 1.005 s: seen
      1.300 s  4: kill on worker-1, never healed: seen

  findings
    lost: acknowledged at 1.000 s and never run to its end: its one attempt, from 1.010 s, was acknowledged, started and not finished
    orphaned: started at 1.020 s in process 70, never finished and never run again

  logs/x.y.prefork.io.1.worker-1.log
    2026-01-02 10:00:00.950000+00:00 [info] near the publish
    2026-01-02 10:00:00.950000+00:00 [info] near the publish
       a line without a time goes with the one before
    1:M 02 Jan 2026 10:00:01.310 * near the fault
    2026-01-02T10:00:08Z about ` + testRun.ID(1) + `
`
	if text.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", text.String(), want)
	}
}

// Of a hundred and more findings a check keeps the first; the last one is named all the same.
func TestFindingBeyondThoseKept(t *testing.T) {
	tasks := make([]written, 150)
	for i := range tasks {
		tasks[i].publish = ledger.PublishOK
	}
	d, _ := opened(t, "memory", ledger.Meta{Drained: true}, nil, tasks...).Of(149)
	if len(d.Findings) == 0 || d.Findings[0].ID != testRun.ID(149) {
		t.Errorf("findings %+v", d.Findings)
	}
}

// What cannot be read of a log is not left out in silence.
func TestLogThatIsReadInPart(t *testing.T) {
	logs := fstest.MapFS{"logs/x.y.prefork.io.1.worker-1.log": {Data: []byte("" +
		"about " + testRun.ID(0) + "\n" + strings.Repeat("x", 2<<20) + "\nand again about " + testRun.ID(0) + "\n")}}
	d, _ := opened(t, "fsync", ledger.Meta{Drained: true}, logs, written{ledger.PublishOK, nil}).Of(0)
	if len(d.Log) != 1 || len(d.Log[0].Lines) != 2 || !strings.Contains(d.Log[0].Lines[1], "read no further") {
		t.Errorf("of the log there is %+v", d.Log)
	}
}

// A line is cut short between two letters.
func TestLongLinesOfLogs(t *testing.T) {
	var text strings.Builder
	if err := Text(&text, Dossier{Log: []Log{{File: "log", Lines: []string{"x" + strings.Repeat("é", 200)}}}}); err != nil {
		t.Fatal(err)
	}
	if s := text.String(); !utf8.ValidString(s) || !strings.Contains(s, "    x"+strings.Repeat("é", 109)+"...\n") {
		t.Errorf("printed as %q", s)
	}
}

func TestFind(t *testing.T) {
	tasks := make([]written, 40)
	for i := range tasks {
		tasks[i] = written{ledger.PublishOK, [][]step{{got(1010), runs(1020), ends(1100, ledger.OK), acks(1110)}}}
	}
	tasks[0x13].attempts = nil
	books := []*Book{opened(t, "memory", ledger.Meta{Drained: true}, nil, tasks...)}
	id := testRun.ID(0x11)
	for text, want := range map[string]uint64{
		id: 0x11, strings.ToUpper(id): 0x11, testRun.ID(0x27): 0x27,
		id[:35]: 0x13, id[:8]: 0x13, // the only one that a check names
	} {
		b, seq, err := Find(books, text)
		if err != nil || b != books[0] || seq != want {
			t.Errorf("%s: task %d, %v, want %d", text, seq, err, want)
		}
	}
	for text, want := range map[string]string{
		testRun.ID(0x28):          testRun.ID(0x27),
		id[:35] + "g":             "",
		id[:35] + "11":            id[:35],
		"xx":                      testRun.ID(0),
		"x" + id[1:]:              id,
		testRun.ID(0)[:35]:        "16 tasks begin with",
		testRun.ID(0x200000)[:33]: "no task",
	} {
		if _, seq, err := Find(books, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: task %d, %v, want an error with %s", text, seq, err, want)
		}
	}
}

// A log that was begun anew has an earlier part, and the lines of both are looked through, in their order.
func TestLogThatWasTurned(t *testing.T) {
	const name = "logs/x.y.prefork.io.1.worker-1.log"
	line := func(text string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("2026-01-02T10:00:01Z " + text + "\n")}
	}
	logs := fstest.MapFS{name: line("second"), harness.EarlierLog(name): line("first")}
	d, _ := opened(t, "fsync", ledger.Meta{Drained: true}, logs, written{ledger.PublishOK, [][]step{{got(1000)}}}).Of(0)
	if len(d.Log) != 1 || len(d.Log[0].Lines) != 2 || !strings.HasSuffix(d.Log[0].Lines[0], "first") {
		t.Errorf("lines %v", d.Log)
	}
}
