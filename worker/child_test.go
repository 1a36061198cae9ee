package worker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// killing kills a random child each time that so many more tasks have succeeded, until stopped.
func killing(w startedWorker, every, seed uint64) (stop func() int) {
	random := rand.New(rand.NewPCG(seed, seed))
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		kills, next := 0, every
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				st := w.Stats()
				if st.Succeeded < next || len(st.Children) == 0 {
					continue
				}
				if syscall.Kill(st.Children[random.IntN(len(st.Children))], syscall.SIGKILL) == nil {
					kills++
				}
				next = st.Succeeded + every
			case <-quit:
				done <- kills
				return
			}
		}
	}()
	return func() int { close(quit); return <-done }
}

func TestChildrenKilledAtRandom(t *testing.T) {
	const tasks = 1000
	for _, acks := range []AckPolicy{Late, Early} {
		t.Run(string(acks), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diary")
			t.Setenv(diaryEnv, path)
			s := newFake()
			for i := range tasks {
				s.put(task("wait", fmt.Sprintf("id-%d", i), 5))
			}
			w := begin(t, s, Config{Pool: "prefork", Concurrency: 4, Acks: acks, MaxAttempts: 1000}, openDiary(path))
			stop := killing(w, 15, 7)
			eventually(t, "the queue is empty", func() bool { return s.left() == 0 })
			kills := stop()
			w.stop()

			done, lost := map[string]int{}, map[string]int{}
			acked, started, ended := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
			var killed []note
			for _, n := range readDiary(t, path) {
				switch {
				case n.Kind == Started:
					started[n.Attempt] = true
				case n.Kind == Acked:
					acked[n.Attempt] = true
				case n.Kind == Finished && n.Outcome == OK:
					if !ended[n.Attempt] { // of a child that died it may be noted twice
						done[n.ID]++
					}
					ended[n.Attempt] = true
				case n.Kind == Finished && n.Outcome == Killed:
					killed = append(killed, n)
				}
			}
			unstarted := 0
			for _, n := range killed {
				if n.PID == 0 || n.PID == os.Getpid() {
					t.Errorf("task %s was killed in process %d, which is no child", n.ID, n.PID)
				}
				if !started[n.Attempt] {
					unstarted++
				}
				if ended[n.Attempt] {
					t.Errorf("the attempt at task %s ended well and was killed", n.ID)
				}
				if acked[n.Attempt] {
					lost[n.ID]++
				}
			}
			if acks == Late && len(lost) > 0 {
				t.Errorf("killed attempts were acknowledged: %v", lost)
			}
			if unstarted > len(killed)/5 {
				t.Errorf("%d of %d killed attempts had not started", unstarted, len(killed))
			}
			t.Logf("%d kills, %d attempts killed, %d of them before their start was seen, %d tasks done, %d lost", kills, len(killed), unstarted, len(done), len(lost))
			if len(killed) < 5 {
				t.Fatalf("%d kills cut off %d attempts: too few to show anything", kills, len(killed))
			}
			for i := range tasks {
				id := fmt.Sprintf("id-%d", i)
				if acks == Late && done[id] == 0 {
					t.Errorf("task %s was lost", id)
				}
				if acks == Early && done[id]+lost[id] != 1 {
					t.Errorf("task %s was done %d times and lost %d times: either one, once", id, done[id], lost[id])
				}
			}
		})
	}
}

func TestTaskThatKillsItsChildIsDeadLettered(t *testing.T) {
	s := newFake()
	s.put(task("crash", "poison"))
	for i := range 40 {
		s.put(task("noop", fmt.Sprintf("bystander-%d", i)))
	}
	o := &witness{}
	w := begin(t, s, Config{Pool: "prefork", Concurrency: 2, Prefetch: 40, MaxAttempts: 3}, o)
	eventually(t, "the queue is empty", func() bool { return s.left() == 0 })
	if got := s.deadIDs(); len(got) != 1 || got[0] != "poison" {
		t.Errorf("kept aside: %q, want the poison alone", got)
	}
	if n := o.count(Finished, Killed); n != 3 {
		t.Errorf("the poison was started %d times, want 3", n)
	}
	// A message is counted as malformed once the broker has said that it keeps it aside.
	eventually(t, "40 done, 3 killed and 1 kept aside are counted", func() bool {
		st := w.Stats()
		return st.Succeeded == 40 && st.Killed == 3 && st.Malformed == 1
	})
}

func TestDeathsAreCountedAcrossWorkers(t *testing.T) {
	s := newFake()
	m := task("crash", "poison")
	m.Headers[deathsHeader] = 2.0 // as other workers left it, and a broker that speaks JSON
	s.put(m)
	o := &witness{}
	begin(t, s, Config{Pool: "prefork", Concurrency: 1, MaxAttempts: 3}, o)
	eventually(t, "the poison is kept aside", func() bool { return len(s.deadIDs()) == 1 })
	if n := o.count(Finished, Killed); n != 1 {
		t.Errorf("the poison was started %d times by the third worker, want 1", n)
	}
}

func TestChildrenAreReplacedAtTheirBounds(t *testing.T) {
	const tasks = 26
	for name, c := range map[string]Config{
		"tasks":  {MaxTasks: 5},
		"memory": {MaxMemory: 100 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diary")
			t.Setenv(diaryEnv, path)
			s := newFake()
			for i := range tasks {
				s.put(task("hoard", fmt.Sprintf("id-%d", i)))
			}
			c.Pool, c.Concurrency = "prefork", 1
			w := begin(t, s, c, openDiary(path))
			eventually(t, "the queue is empty", func() bool { return s.left() == 0 })
			w.stop()
			perChild := map[int]int{}
			for _, n := range readDiary(t, path) {
				if n.Kind == Finished {
					perChild[n.Process]++
				}
			}
			most := 5
			if c.MaxMemory > 0 {
				most = 13 // tasks that each keep 8 MiB
			}
			if len(perChild) < tasks/most {
				t.Errorf("%d children did %d tasks: %v", len(perChild), tasks, perChild)
			}
			for pid, n := range perChild {
				if n > most {
					t.Errorf("child %d did %d tasks, and %d is its bound", pid, n, most)
				}
			}
			if st := w.Stats(); st.Killed != 0 || st.Succeeded != tasks {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// lonelyEnv makes the test binary a worker whose parent will be killed.
const lonelyEnv = "TASKBENCH_TEST_LONELY"

// lonelyWorker runs tasks that burn CPU for ever in all of its children, and names those once they all do.
func lonelyWorker() int {
	s := newFake()
	s.put(task("burn", "a"), task("burn", "b"))
	w, err := New(Config{Pool: "prefork", Concurrency: 3}, Options{
		Registry: testRegistry(), Driver: s.driver(), Observer: openDiary(os.Getenv(diaryEnv)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return 1
	}
	go w.Run(context.Background())
	tick := time.NewTicker(time.Millisecond)
	for range tick.C {
		text, _ := os.ReadFile(os.Getenv(diaryEnv))
		if strings.Count(string(text), "\n") >= 4 && len(w.Stats().Children) == 3 { // received and started, twice
			break
		}
	}
	for _, pid := range w.Stats().Children {
		fmt.Println(pid)
	}
	fmt.Println("end")
	select {}
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe) // it never ends by itself, and must not outlive a test that fails
	cmd.Env = append(os.Environ(), lonelyEnv+"=1", diaryEnv+"="+filepath.Join(t.TempDir(), "diary"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var children []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "end"; {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the worker said %q", lines.Text())
		}
		children = append(children, pid)
	}
	if len(children) != 3 {
		t.Fatalf("children %v, want 3", children)
	}
	killed := time.Now()
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	cmd.Wait()
	eventually(t, "no child is left", func() bool {
		for _, pid := range children {
			if running(pid) {
				return false
			}
		}
		return true
	})
	if took := time.Since(killed); took > 2*time.Second {
		t.Errorf("the children outlived their parent by %v", took)
	}
}

// running tells whether a process is there and not merely waiting to be reaped.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
