package labtest

import (
	"os"
	"os/signal"
	"syscall"
)

func ignoreTerm() { signal.Ignore(syscall.SIGTERM) }

// waitForTerm waits for SIGTERM; one that clings waits for ever.
func waitForTerm(mode string) {
	if mode == Clings {
		select {}
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
}
