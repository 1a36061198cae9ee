// Package proc reads what Linux tells of processes in /proc: who they are, what they use, whether they run.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Process is one as it was when it was read.
type Process struct {
	PID, PPID  int
	Group      int
	State      byte    // R, S, D, T (stopped), Z (dead, not yet reaped), ...
	Start      uint64  // clock ticks after boot: with the pid it names the process for good
	CPUSeconds float64 // user and system, its dead and reaped children included
	RSS        int64   // bytes
}

// Gone tells whether the process runs no more: a zombie is gone.
func (p Process) Gone() bool { return p.State == 'Z' || p.State == 'X' }

// ErrGone is returned for a process that is not there.
var ErrGone = errors.New("no such process")

// ticks is how many of /proc's clock ticks make a second; every Linux port that Go runs on has this value.
const ticks = 100

// Read reads one process.
func Read(pid int) (Process, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || isESRCH(err) {
			return Process{}, fmt.Errorf("process %d: %w", pid, ErrGone)
		}
		return Process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return parse(pid, b)
}

// parse reads the line of /proc/PID/stat. The name in it may hold spaces and brackets of its own.
func parse(pid int, line []byte) (Process, error) {
	end := bytes.LastIndexByte(line, ')')
	var f []string
	if end > 0 {
		f = strings.Fields(string(line[end+1:]))
	}
	if len(f) < 22 {
		return Process{}, fmt.Errorf("read process %d: its stat line has %d fields", pid, len(f))
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		return n
	}
	start, _ := strconv.ParseUint(f[19], 10, 64)
	return Process{
		PID: pid, State: f[0][0], PPID: int(number(1)), Group: int(number(2)),
		Start:      start,
		CPUSeconds: float64(number(11)+number(12)+number(13)+number(14)) / ticks,
		RSS:        number(21) * int64(os.Getpagesize()),
	}, nil
}

// All reads every process that can be read.
func All() ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	all := make([]Process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := Read(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

// Family picks the process, everything in its process group, and every descendant of these, the gone left out.
// Descendants that made a group of their own are in it for as long as their ancestors live.
func Family(all []Process, pid int) []Process {
	in := make(map[int]bool, 8)
	for _, p := range all {
		in[p.PID] = p.PID == pid || p.Group == pid
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.PID] && in[p.PPID] {
				in[p.PID], grown = true, true
			}
		}
	}
	var family []Process
	for _, p := range all {
		if in[p.PID] && !p.Gone() {
			family = append(family, p)
		}
	}
	return family
}

// Environ returns the value of a variable in the environment that the process was started with.
func Environ(pid int, name string) (string, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return "", false
	}
	for entry := range bytes.SplitSeq(b, []byte{0}) {
		if value, ok := strings.CutPrefix(string(entry), name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// FDs counts the process's open file descriptors.
func FDs(pid int) (int, error) {
	dir, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, fmt.Errorf("count files of process %d: %w", pid, err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("count files of process %d: %w", pid, err)
	}
	return len(names), nil
}
