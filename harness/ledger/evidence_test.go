package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is also the worker process that gets killed, and the one whose disk is full.
func TestMain(m *testing.M) {
	switch dir := os.Getenv("LEDGER_TEST_DIR"); os.Getenv("LEDGER_TEST_ROLE") {
	case "victim":
		victim(dir)
	case "fulldisk":
		fullDisk(dir)
	default:
		os.Exit(m.Run())
	}
}

func role(t testing.TB, role, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LEDGER_TEST_ROLE="+role, "LEDGER_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// victim says after each event that it has written it, until it is killed.
func victim(dir string) {
	e, err := OpenEvidence(dir, "worker-1", 3)
	if err != nil {
		panic(err)
	}
	for i := uint64(0); ; i++ {
		e.Write(Event{Task: i, Attempt: i + 1, Kind: Finished, Outcome: OK})
		fmt.Println(i)
	}
}

func TestEvidenceSurvivesSIGKILL(t *testing.T) {
	dir := t.TempDir()
	cmd := role(t, "victim", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, last := bufio.NewScanner(out), -1
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			break // the last line may be cut
		}
		if last == 3*chunkSlots {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the victim ended by itself")
	}
	events := readAll(t, dir)
	if len(events) < last+1 {
		t.Fatalf("the victim said that it had written %d events, %d are there", last+1, len(events))
	}
	for i, e := range events {
		want := Event{Task: uint64(i), Attempt: uint64(i + 1), At: e.At, PID: uint32(cmd.Process.Pid), Node: 3, Kind: Finished, Outcome: OK}
		if e != want {
			t.Fatalf("event %d is %+v, want %+v", i, e, want)
		}
	}
}

func readAll(t testing.TB, dir string) []Event {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+evidenceSuffix))
	if err != nil || len(paths) != 1 {
		t.Fatalf("evidence files: %v, %v", paths, err)
	}
	tl, err := openTail(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer tl.close()
	events, _, err := tl.poll(nil, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// fullDisk writes under a limit that lets the file have one chunk only, and prints what it noticed.
func fullDisk(dir string) {
	signal.Ignore(unix.SIGXFSZ)
	e, err := OpenEvidence(dir, "worker-1", 0)
	if err != nil {
		panic(err)
	}
	limit := unix.Rlimit{Cur: headerSize + uint64(chunkSize), Max: headerSize + uint64(chunkSize)}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	told := 0
	e.Notify(func(error) { told++ })
	for i := range uint64(chunkSlots + 10) {
		e.Write(Event{Task: i, Kind: Received})
	}
	fmt.Println(e.Lost(), told, errors.Is(e.Err(), unix.EFBIG))
}

func TestFullDiskIsCountedAndNeverSIGBUS(t *testing.T) {
	dir := t.TempDir()
	out, err := role(t, "fulldisk", dir).Output()
	if err != nil {
		t.Fatalf("the process whose disk was full died: %v", err)
	}
	if got := strings.TrimSpace(string(out)); got != "10 1 true" {
		t.Errorf("lost, times told, error is EFBIG: %s, want 10 1 true", got)
	}
	rec := NewRecorder(Run{}, 0)
	c := NewCollector(dir, rec)
	got, err := c.Flush()
	want := Collected{Files: 1, Events: chunkSlots, Lost: 10}
	if err != nil || got != want {
		t.Errorf("collected %+v, %v, want %+v", got, err, want)
	}
}

func TestManyGoroutinesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEvidence(dir, "worker-1", 1)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := uint64(w*each + i)
				e.Write(Event{Task: id, Attempt: id * 3, At: int64(id) + 1, Kind: Started})
			}
		})
	}
	// A reader alongside must never see half an event.
	seen := map[uint64]bool{}
	check := func(events []Event) {
		for _, ev := range events {
			if ev.Attempt != ev.Task*3 || ev.At != int64(ev.Task)+1 || ev.Kind != Started || seen[ev.Task] {
				t.Errorf("misread %+v (seen before: %v)", ev, seen[ev.Task])
			}
			seen[ev.Task] = true
		}
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"))
	tl, err := openTail(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer tl.close()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		events, _, err := tl.poll(nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		check(events)
	}
	events, _, err := tl.poll(nil, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if check(events); len(seen) != writers*each {
		t.Errorf("%d events read, want %d", len(seen), writers*each)
	}
}

func TestTornSlotsAreCountedAndPassedOver(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEvidence(dir, "worker-1", 1)
	if err != nil {
		t.Fatal(err)
	}
	e.Write(Event{Task: 1, Kind: Received})
	torn := e.head.reserved.Add(1) - 1 // a writer dies here,
	e.mapped.Load().chunks[0][torn][0].Store(4711)
	slow := e.head.reserved.Add(1) - 1 // and one is only slow
	e.Write(Event{Task: 2, Kind: Received})
	rec := NewRecorder(Run{}, 0)
	c := NewCollector(dir, rec)
	if err := c.Poll(); err != nil || c.Collected().Events != 2 {
		t.Fatalf("collected %+v, %v, want 2 events", c.Collected(), err)
	}
	e.mapped.Load().chunks[0][slow][3].Store(uint64(Received) << 48)
	got, err := c.Flush()
	if want := (Collected{Files: 1, Events: 3, Torn: 1}); err != nil || got != want {
		t.Errorf("collected %+v, %v, want %+v", got, err, want)
	}
	e.head.reserved.Add(chunkSlots) // the last of them died before there was room
	got, err = c.Flush()
	if want := (Collected{Files: 1, Events: 3, Torn: 1 + chunkSlots}); err != nil || got != want {
		t.Errorf("collected %+v, %v, want %+v", got, err, want)
	}
}

func TestOpenEvidenceRefusesWhatItCannotDo(t *testing.T) {
	for _, node := range []string{"", "a/b", strings.Repeat("n", 300)} {
		if _, err := OpenEvidence(t.TempDir(), node, 0); err == nil {
			t.Errorf("node name %q was taken", node)
		}
	}
	if _, err := OpenEvidence(filepath.Join(t.TempDir(), "missing"), "n", 0); err == nil {
		t.Error("a directory that is not there was taken")
	}
}

func TestCloseTwiceAndWriteAfter(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEvidence(dir, "n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	for range chunkSlots + 5 {
		e.Write(Event{Kind: Received})
	}
	if got := len(readAll(t, dir)); got != chunkSlots || e.Lost() != 5 {
		t.Errorf("after Close %d events were kept and %d lost, want %d and 5", got, e.Lost(), chunkSlots)
	}
}

func TestNowIsTheHostsMonotonicClock(t *testing.T) {
	for range 100 {
		var before, after unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
		now := Now()
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
		const slack = int64(20 * time.Microsecond)
		if now < before.Nano()-slack || now > after.Nano()+slack {
			t.Fatalf("Now() = %d between clock readings %d and %d", now, before.Nano(), after.Nano())
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	e, err := OpenEvidence(b.TempDir(), "n", 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e.Write(Event{Task: 1, Attempt: 2, Kind: Received})
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	e, err := OpenEvidence(b.TempDir(), "n", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			e.Write(Event{Task: 1, Attempt: 2, Kind: Received})
		}
	})
}

// shuffled is a copy in another order.
func shuffled(events []Event, seed uint64) []Event {
	out := append([]Event(nil), events...)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
