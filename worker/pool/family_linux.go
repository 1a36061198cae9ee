package pool

import "time"

// held returns the children of now, each held.
func (k *keeper) held() (all []*process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.alive {
		if c.hold() {
			all = append(all, c)
		}
	}
	return all
}

// Cancel implements Pool.
func (k *keeper) Cancel(cause error) {
	text := []byte("cancelled")
	if cause != nil {
		text = []byte(cause.Error())
	}
	for _, c := range k.held() {
		_, _ = c.leash.Write(text)
		time.AfterFunc(heed, func() {
			c.kill()
			c.release()
		})
	}
}

// PIDs implements Pool.
func (k *keeper) PIDs() (pids []int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.alive {
		if c.alive() {
			pids = append(pids, c.pid())
		}
	}
	return pids
}

// Locate implements Locator.
func (k *keeper) Locate(attempt uint64) (pid int) {
	for _, c := range k.held() {
		if pid == 0 && c.find(attempt) != nil {
			pid = c.pid()
		}
		c.release()
	}
	return pid
}

// Close implements Pool.
func (k *keeper) Close() error {
	k.close()
	return nil
}
