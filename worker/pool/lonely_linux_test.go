package pool

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// lonelyEnv makes the test binary a parent that will be killed: "<pool> <task>".
const lonelyEnv = "TASKBENCH_TEST_LONELY"

// lonely runs two such tasks at a time for ever, and names its children once they run.
func lonely(what string) {
	var kind, task string
	fmt.Sscan(what, &kind, &task)
	p, err := New(context.Background(), kind, Settings{Size: 2, Log: slog.New(slog.DiscardHandler)}, perform)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var t testing.T
	started := make(chan bool)
	for range 2 {
		j := job(&t, task)
		j.Started = func() { started <- true }
		go p.Run(context.Background(), j)
		if kind == "prefork" || task != "stone" { // the second in a green child that is stuck never starts
			<-started
		}
	}
	if kind == "green" && task == "stone" { // the first one
		<-started
	}
	for _, pid := range p.PIDs() {
		fmt.Println(pid)
	}
	fmt.Println("end")
	select {}
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	for what, children := range map[string]int{"prefork wait": 2, "prefork stone": 2, "green wait": 1, "green stone": 1} {
		t.Run(what, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), lonelyEnv+"="+what, "GODEBUG=asyncpreemptoff=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pids []int
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "end"; {
				pid, err := strconv.Atoi(lines.Text())
				if err != nil {
					t.Fatalf("it said %q", lines.Text())
				}
				pids = append(pids, pid)
			}
			if len(pids) != children {
				t.Fatalf("children %v, want %d", pids, children)
			}
			killed := time.Now()
			cmd.Process.Kill()
			io.Copy(io.Discard, out)
			cmd.Wait()
			for _, pid := range pids {
				until(t, "no child is left", func() bool { return !running(pid) })
			}
			if took := time.Since(killed); took > 2*time.Second {
				t.Errorf("the children outlived their parent by %v", took)
			}
		})
	}
}
