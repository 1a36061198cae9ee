package tasks

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// block has the calling thread sleep in the kernel, deaf to signals, by which Go would have a goroutine give way. With
// whole, Go is not told either, so that the processor stays taken and nothing else of the process runs on it.
func block(d time.Duration, whole bool) error {
	deaf := ^uint64(0)
	left := unix.NsecToTimespec(int64(d))
	call := unix.Syscall6
	if whole {
		call = unix.RawSyscall6
	}
	_, _, errno := call(unix.SYS_PPOLL, 0, 0, uintptr(unsafe.Pointer(&left)), uintptr(unsafe.Pointer(&deaf)), unsafe.Sizeof(deaf), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
