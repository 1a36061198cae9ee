//go:build unix

package control

import "syscall"

// OwnUsage is what this process has used since it began.
func OwnUsage() Usage {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return Usage{}
	}
	return Usage{
		UserSeconds:   Float(float64(r.Utime.Nano()) / 1e9),
		SystemSeconds: Float(float64(r.Stime.Nano()) / 1e9),
		MaxRSS:        int64(r.Maxrss), SharedMemory: int64(r.Ixrss), Data: int64(r.Idrss), Stack: int64(r.Isrss),
		MinorFaults: int64(r.Minflt), MajorFaults: int64(r.Majflt), Swaps: int64(r.Nswap),
		BlocksIn: int64(r.Inblock), BlocksOut: int64(r.Oublock), MessagesSent: int64(r.Msgsnd), MessagesGot: int64(r.Msgrcv),
		Signals: int64(r.Nsignals), Voluntary: int64(r.Nvcsw), Involuntary: int64(r.Nivcsw),
	}
}
