package pool

import (
	"bufio"
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

// trim gives back what only the start of the process took. A program initializes all of its packages, in each child
// again, and neither a child nor its parent needs many of them afterwards: of a large binary most of the memory of an idle
// process were pages that are never looked at again. Those that are come back from the file's cache by themselves.
func trim() {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		// begin-end permissions offset device inode path
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 6 || string(fields[5]) != exe || fields[1][0] != 'r' || fields[1][1] == 'w' || fields[1][3] != 'p' {
			continue // what was written to must stay
		}
		from, to, ok := bytes.Cut(fields[0], []byte("-"))
		begin, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if ok && err1 == nil && err2 == nil {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(begin), uintptr(end-begin), syscall.MADV_DONTNEED)
		}
	}
}
