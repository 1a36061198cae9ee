package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	inodes, err := sockets(pid, func(near, _ string) bool { return portOf(near) == port })
	if err != nil {
		return 0, fmt.Errorf("count connections to port %d: %w", port, err)
	}
	return len(inodes), nil
}

// Holder is which of the processes has an established TCP connection open from the one port to the other, in their network;
// 0 is none of them.
func Holder(pids []int, from, to int) (int, error) {
	for _, pid := range pids {
		inodes, err := sockets(pid, func(near, far string) bool { return portOf(near) == from && portOf(far) == to })
		if err == nil {
			var has bool
			if has, err = open(pid, inodes); has {
				return pid, nil
			}
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) && !isESRCH(err) { // it may have gone
			return 0, fmt.Errorf("find who is connected from port %d to port %d: %w", from, to, err)
		}
	}
	return 0, nil
}

// open tells whether the process has one of the sockets open.
func open(pid int, inodes []string) (bool, error) {
	if len(inodes) == 0 {
		return false, nil
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	files, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		to, err := os.Readlink(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // it was closed meanwhile
		}
		inode, is := strings.CutPrefix(to, "socket:[")
		if is && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			return true, nil
		}
	}
	return false, nil
}

// portOf is the port of an end in the tables below, -1 of what is none.
func portOf(end string) int {
	_, text, _ := strings.Cut(end, ":")
	n, err := strconv.ParseInt(text, 16, 32)
	if err != nil {
		return -1
	}
	return int(n)
}

// sockets are the inodes of the established connections in the network of the process whose ends are those that are wanted.
func sockets(pid int, want func(near, far string) bool) (inodes []string, err error) {
	for _, table := range []string{"tcp", "tcp6"} {
		found, err := established(fmt.Sprintf("/proc/%d/net/%s", pid, table), want)
		if err != nil && (table == "tcp" || !errors.Is(err, os.ErrNotExist)) {
			return nil, err
		}
		inodes = append(inodes, found...)
	}
	return inodes, nil
}

// established reads one table: lines like "  0: 0100007F:1F90 0100007F:D2E4 01 ...", numbers hexadecimal but the tenth, which
// is the inode.
func established(path string, want func(near, far string) bool) (inodes []string, err error) {
	const state = "01"
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) > 9 && fields[3] == state && want(fields[1], fields[2]) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes, s.Err()
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
