package harness

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
)

// deaths are the ends of workers that nobody had ordered.
type deaths struct {
	mu   sync.Mutex
	said []string
}

// died notes the end of a worker. It is not started again: a system that loses workers is not the one that was to
// be measured, and what became of its tasks is for the checks to say.
func (s *stage) died(worker, how string) {
	text := fmt.Sprintf("%s died by itself: %s; the end of %s may say why", worker, how, filepath.Join("logs", filepath.Base(s.log(worker))))
	s.deaths.mu.Lock()
	s.deaths.said = append(s.deaths.said, text)
	s.deaths.mu.Unlock()
	s.clock.note(text)
}

func (d *deaths) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.said)
}

// alive is every process of every worker; it is empty when no worker is left.
func (s *stage) alive() map[uint32]bool {
	pids := map[uint32]bool{}
	for _, w := range s.workers {
		for _, pid := range w.PIDs() {
			pids[uint32(pid)] = true
		}
	}
	return pids
}
