package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/worker/beat"
	"taskbench/worker/message"
)

// ticks are what beats have put into a queue.
type ticks struct {
	consumer brokers.Consumer
	all      []tick
}

type tick struct {
	entry     string
	id        string
	scheduled time.Time
	late      time.Duration
}

// ticksAt listens to the default queue of a broker.
func ticksAt(t *testing.T, url string) *ticks {
	t.Helper()
	d, err := driverOf(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(t.Context(), url, d.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := b.Consume(t.Context(), []string{brokers.DefaultQueue}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &ticks{consumer: c}
}

// until takes ticks until one is as wanted.
func (ts *ticks) until(t *testing.T, what string, wanted func(tick) bool) {
	t.Helper()
	if !ts.within(t, patience, wanted) {
		t.Fatalf("%s: not within %s, after %d ticks", what, patience, len(ts.all))
	}
}

// within tells whether one came.
func (ts *ticks) within(t *testing.T, patience time.Duration, wanted func(tick) bool) bool {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case d, ok := <-ts.consumer.Deliveries():
			if !ok {
				t.Fatal(ts.consumer.Err())
			}
			m := d.Message()
			text, _ := m.Headers[beat.ScheduledHeader].(string)
			at, err := message.ParseTime(text, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := m.Headers[beat.NameHeader].(string)
			got := tick{name, m.CorrelationID, at, time.Since(at)}
			ts.all = append(ts.all, got)
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
			if wanted(got) {
				return true
			}
		case <-limit:
			return false
		}
	}
}

// after waits for a tick that is due some time from now.
func (ts *ticks) after(t *testing.T, what string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(d)
	ts.until(t, what, func(got tick) bool { return got.scheduled.After(at) })
}

// judge fails the test where a tick came twice, and where more are missing than the beats have told.
func (ts *ticks) judge(t *testing.T, period time.Duration, told int) {
	t.Helper()
	seen := map[time.Time]bool{}
	first, last := ts.all[0].scheduled, ts.all[0].scheduled
	var worst time.Duration
	for _, got := range ts.all {
		if seen[got.scheduled] {
			t.Errorf("the tick of %s came twice", got.scheduled)
		}
		seen[got.scheduled] = true
		if got.scheduled.After(last) {
			last = got.scheduled
		}
		worst = max(worst, got.late)
	}
	want := int(last.Sub(first)/period) + 1
	if missing := want - len(seen); missing > told {
		t.Errorf("%d of %d ticks are missing, and of %d it is told that nobody knows", missing, want, told)
	}
	t.Logf("%d ticks, the worst %s late, %d doubtful", len(ts.all), worst.Round(time.Millisecond), told)
}

func signalTo(t *testing.T, p *process, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

const period = 200 * time.Millisecond

func writeSchedule(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "schedule.yaml")
	text := "entries: {e: {task: noop, schedule: every 200ms aligned, catch_up: all, catch_up_limit: 100000}}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// beatBroker is a broker of the kind, for the beats and for their lock.
func beatBroker(t *testing.T, name string) string {
	t.Helper()
	d, v, err := all.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	if d.Server.Library {
		return d.Server.URL(t.TempDir())
	}
	where := os.Getenv("BENCH_LAB")
	if where == "" {
		where = labs.Auto
	}
	l, _, err := labs.Pick(t.Context(), where, d, d.Variants[0], labs.Options{})
	if err != nil {
		if where == labs.Auto || where == labs.Embedded {
			t.Skipf("this machine has no server for %s: %v", name, err)
		}
		t.Fatal(err)
	}
	node, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: v, Name: "beat", LogPath: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(context.WithoutCancel(t.Context())); err != nil { // the test's own context has ended by then
			t.Error(err)
		}
	})
	return node.Info().URL
}

// One of three beats is killed, another is stopped and goes on later: they are one all the same.
func TestBeatsFailOver(t *testing.T) {
	const lease = 2 * time.Second
	for _, broker := range []string{"sqlite", "redis"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			url := beatBroker(t, broker)
			lock := url
			if broker == "sqlite" {
				lock = "sqlite://" + filepath.Join(t.TempDir(), "lock.db") // that of the queue is the broker's own
			}
			dir := t.TempDir()
			schedule := writeSchedule(t, dir)
			var beats []*process
			for i := range 3 {
				beats = append(beats, start(t, t.TempDir(), "beat", "--broker", url, "--schedule", schedule, "--lock", lock, "--lease", lease.String(),
					"--state", filepath.Join(dir, fmt.Sprint("state-", i))))
				beats[0].says(t, "beat fires", patience)
			}
			got := ticksAt(t, url)
			got.after(t, "the first one", time.Second)

			leader := func(not ...*process) *process {
				t.Helper()
				for _, p := range beats {
					if strings.Count(p.talk(), "beat fires") > strings.Count(p.talk(), "the lock is lost") && (len(not) == 0 || p != not[0] && (len(not) < 2 || p != not[1])) {
						return p
					}
				}
				t.Fatal("nobody fires")
				return nil
			}
			killed := leader()
			if err := killed.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			got.after(t, "after the first was killed", time.Second)
			stopped := leader(killed)
			for tries := 0; ; tries++ {
				<-time.After(period / 2) // it is idle then, most likely
				signalTo(t, stopped, syscall.SIGSTOP)
				at := time.Now().Add(time.Second)
				if got.within(t, 4*lease, func(got tick) bool { return got.scheduled.After(at) }) {
					break
				}
				// Who is stopped inside a transaction keeps everybody out of an SQLite file.
				if signalTo(t, stopped, syscall.SIGCONT); broker != "sqlite" || tries == 5 {
					t.Fatal("nobody goes on after the second was stopped")
				}
				got.after(t, "after a stop that struck badly", time.Second)
				stopped = leader(killed)
			}
			if third := leader(killed, stopped); third == stopped {
				t.Fatal("the one that is stopped fires")
			}
			signalTo(t, stopped, syscall.SIGCONT)
			stopped.says(t, "the lock is lost", patience)
			got.after(t, "after it was resumed", time.Second)
			told := 0
			for _, p := range beats {
				if p != killed {
					signalTo(t, p, os.Interrupt)
					if code := p.code(t, patience); code != exitOK {
						t.Errorf("exit code %d\n%s", code, p.talk())
					}
				}
				told += strings.Count(p.talk(), "nobody knows")
			}
			got.judge(t, period, told)
			for _, one := range got.all {
				if limit := lease + lease/10 + time.Second; one.late > limit && broker != "sqlite" {
					t.Errorf("the tick of %s came %s late, want at most the lease, a tenth, and what a busy machine takes", one.scheduled, one.late)
				}
			}
		})
	}
}

// A beat that is killed goes on where it was; what was due meanwhile is made up for.
func TestBeatKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	url := beatBroker(t, "sqlite")
	schedule := writeSchedule(t, t.TempDir())
	got := ticksAt(t, url)
	told := 0
	for range 3 {
		p := start(t, t.TempDir(), "beat", "--broker", url, "--schedule", schedule)
		got.after(t, "of this life", time.Second)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.code(t, patience)
		told += strings.Count(p.talk(), "nobody knows")
	}
	got.judge(t, period, told+1) // the last life's is not told by anybody
}

// A full disk costs beat its memory, and not its ticks.
func TestBeatOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.disk(t, "256k")
	disk := filepath.Dir(s.out)
	url := beatBroker(t, "sqlite")
	p := start(t, t.TempDir(), "beat", "--broker", url, "--schedule", writeSchedule(t, t.TempDir()), "--state", filepath.Join(disk, "state"))
	got := ticksAt(t, url)
	got.after(t, "before", 300*time.Millisecond)
	empty := s.fill(t)
	p.says(t, "going on in memory", patience)
	got.after(t, "on a full disk", time.Second)
	wants(t, p.talk(), "no space left on device", filepath.Join(disk, "state"))
	empty()
	p.says(t, "is written down again", patience)
	signalTo(t, p, os.Interrupt)
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.talk())
	}
	got.judge(t, period, 0)
	text, err := os.ReadFile(filepath.Join(disk, "state"))
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("the state is %q, %v; want a header and one mark", text, err)
	}
}

func TestBeatLists(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.yaml")
	text := `entries:
  nightly: {task: clean, schedule: 0 4 * * * Europe/Berlin}
  often: {task: poll, schedule: every 30s}
  off: {task: poll, schedule: every 30s, enabled: false}
  past: {task: poll, schedule: "at 2020-01-01T00:00:00Z"}
`
	state := `{"beat":1}
{"name":"nightly","schedule":"0 4 * * * Europe/Berlin","last":"2026-01-02T03:00:00Z","runs":12}
{"name":"past","schedule":"at 2020-01-01T00:00:00Z","last":"2020-01-01T00:00:00Z","runs":1,"done":true}
`
	for name, text := range map[string]string{path: text, path + ".state": state} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := command(t, nil, "beat", "--schedule", path, "--list")
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	golden(t, "beat-list", stdout)
}

func TestBeatMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.yaml")
	if err := os.WriteFile(path, []byte("entries:\n  a: {task: t, schedule: solar sunset 1 2}\n  b: {schedul: every 1s}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	url := beatBroker(t, "sqlite")
	for _, args := range [][]string{{"beat", "--schedule", path, "--list"}, {"beat", "--schedule", path, "--broker", url}} {
		code, stdout, stderr := command(t, nil, args...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%q: exit code %d, stdout %q", args, code, stdout)
		}
		wants(t, stderr, "2 mistakes", path+":2: ", "solar schedules", path+":3: ", "did you mean schedule?")
	}
	code, _, stderr := command(t, nil, "beat", "--timezone", "Mars", "--catch-up", "twice", "--lease", "-1s", "--log-format", "xml")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	wants(t, stderr, "--timezone Mars", "--catch-up twice", "--lease -1s", "--log-format xml", "--schedule FILE", "where is the broker?")
}

// The tables for those without Django: made, filled by hand, and read by beat.
func TestBeatOnTables(t *testing.T) {
	t.Parallel()
	db := "sqlite://" + filepath.Join(t.TempDir(), "beat.db")
	for range 2 {
		if code, _, stderr := command(t, nil, "beat", "--schedule", db, "--create-tables"); code != exitOK {
			t.Fatal(code, stderr)
		}
	}
	fillTables(t, db)
	url := beatBroker(t, "sqlite")
	p := start(t, t.TempDir(), "beat", "--broker", url, "--schedule", db, "--log-format", "json")
	got := ticksAt(t, url)
	got.until(t, "the third", func(tick) bool { return len(got.all) == 3 })
	signalTo(t, p, os.Interrupt)
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.talk())
	}
	wants(t, p.talk(), `"msg":"beat fires"`)
	_, stdout, _ := command(t, nil, "beat", "--schedule", db, "--list")
	wants(t, stdout, "second", "every 1s")
}
