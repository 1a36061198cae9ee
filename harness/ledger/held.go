package ledger

// Held is the number of attempts that processes have in hand: received, and neither finished, given back, kept
// aside nor acknowledged unrun. Only attempts of processes that alive accepts count: a killed worker's stay in hand
// for ever. It reads every record, so it is for the end of a run.
func (r *Recorder) Held(alive func(pid uint32) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	held, n := 0, r.length.Load()
	for i := uint64(0); i < n; i++ {
		c := r.chunks[i/chunkTasks].Load()
		if c == nil {
			i |= chunkTasks - 1
			continue
		}
		if rec := &c[i%chunkTasks]; rec.held() && alive(rec.pid) {
			held++
		}
	}
	for _, list := range r.more {
		for i := range list {
			if list[i].held() && alive(list[i].PID) {
				held++
			}
		}
	}
	return held
}

func (r *record) held() bool {
	return r.flags&hasAttempt != 0 && r.flags&(hasReturned|hasMalformed) == 0 && r.finished == ticks{} &&
		(r.acked == ticks{} || r.started != ticks{})
}

func (a *attempt) held() bool {
	return !a.Returned && !a.Malformed && a.Finished == 0 && (a.Acked == 0 || a.Started != 0)
}
