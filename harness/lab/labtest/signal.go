package labtest

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// forever does not return. Without cgo the runtime ends a process in which nobody waits for anything.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

// spent is the CPU time of this process: on a busy machine that is less than what passes.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ignoreTerm() { signal.Ignore(syscall.SIGTERM) }

// waitForTerm waits for SIGTERM; one that clings waits for ever.
func waitForTerm(mode string) {
	if mode == Clings {
		forever()
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
}
