package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func isESRCH(err error) bool { return errors.Is(err, syscall.ESRCH) }

// Boot names the present run of the kernel; "" where it cannot be told. Start times mean something only
// within one.
func Boot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Alive tells whether the process that had this pid and start time runs.
func Alive(pid int, start uint64) bool {
	p, err := Read(pid)
	return err == nil && p.Start == start && !p.Gone()
}

// A ConnCounter counts a server's connections now and then: the kernel walks its whole table of sockets for
// one count, which can take milliseconds. The zero value is ready.
type ConnCounter struct {
	last  int
	asked time.Time
}

// connsEvery is how old a count may be.
const connsEvery = 2 * time.Second

// Count is what Conns said at most two seconds ago, -1 where it cannot tell.
func (c *ConnCounter) Count(pid, port int) int {
	if time.Since(c.asked) < connsEvery {
		return c.last
	}
	n, err := Conns(pid, port)
	if err != nil {
		n = -1
	}
	c.last, c.asked = n, time.Now()
	return n
}

// Conns counts the established TCP connections whose near end is the port, in the network of the process.
func Conns(pid, port int) (int, error) {
	count := 0
	for _, table := range []string{"tcp", "tcp6"} {
		n, err := conns(fmt.Sprintf("/proc/%d/net/%s", pid, table), port)
		if err != nil && (table == "tcp" || !errors.Is(err, os.ErrNotExist)) {
			return 0, fmt.Errorf("count connections to port %d: %w", port, err)
		}
		count += n
	}
	return count, nil
}

// conns counts in one table: lines like "  0: 0100007F:1F90 0100007F:D2E4 01 ...", all numbers hexadecimal.
func conns(path string, port int) (int, error) {
	const established = "01"
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	want := fmt.Sprintf(":%04X", port)
	count := 0
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) > 3 && fields[3] == established && strings.HasSuffix(fields[1], want) {
			count++
		}
	}
	return count, s.Err()
}

// GroupPIDs lists the processes of the cgroup in the file cgroup.procs of the directory.
func GroupPIDs(dir string) ([]int, error) {
	b, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(line); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Usage is what some processes use together. RSS counts a page that several share once for each.
type Usage struct {
	CPUSeconds float64
	RSS        int64
	FDs        int // -1 where they may not be counted
}

// Sum adds up the processes that are still there; when none is, the error is ErrGone.
func Sum(pids []int) (Usage, error) {
	var u Usage
	found := false
	for _, pid := range pids {
		p, err := Read(pid)
		if err != nil || p.Gone() {
			continue
		}
		found = true
		u.CPUSeconds += p.CPUSeconds
		u.RSS += p.RSS
		if n, err := FDs(pid); err != nil && !errors.Is(err, os.ErrNotExist) {
			u.FDs = -1
		} else if u.FDs >= 0 {
			u.FDs += n
		}
	}
	if !found {
		return u, ErrGone
	}
	return u, nil
}
