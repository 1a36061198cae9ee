package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/lab/proc"
)

// A meter sums what the lives of a node have used.
type meter struct {
	before  float64 // CPU seconds of the lives that are over
	seen    float64 // the most that was seen of the present one
	pids    []int   // its family, looked up now and then
	checked time.Time
	conns   proc.ConnCounter
}

// familyEvery is how often the family is looked up anew; in between its known members are sampled.
const familyEvery = time.Second

// next closes the account of a life; what the kernel says of it in the end may be more than was seen.
func (m *meter) next(over *life) {
	if over != nil && over.over() && over.state != nil {
		m.seen = max(m.seen, (over.state.UserTime() + over.state.SystemTime()).Seconds())
	}
	*m = meter{before: m.before + m.seen}
}

func (n *node) Stats(context.Context) (lab.Stats, error) {
	l, _ := n.now()
	if l == nil {
		return lab.Stats{}, fmt.Errorf("sample %s: it does not run", n.request.Name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m := &n.meter
	if time.Since(m.checked) > familyEvery {
		family, err := l.family()
		if err != nil {
			return lab.Stats{}, fmt.Errorf("sample %s: %w", n.request.Name, err)
		}
		m.pids = m.pids[:0]
		for _, p := range family {
			m.pids = append(m.pids, p.PID)
		}
		m.checked = time.Now()
	}
	used, err := proc.Sum(m.pids)
	if err != nil {
		m.checked = time.Time{}
		return lab.Stats{}, fmt.Errorf("sample %s: %w", n.request.Name, err)
	}
	m.seen = max(m.seen, used.CPUSeconds) // a child that is gone and was not waited for takes its part with it
	s := lab.Stats{CPUSeconds: m.before + m.seen, RSS: used.RSS, FDs: used.FDs, Conns: m.conns.Count(l.pid, n.launch.Port)}
	if l.over() {
		return lab.Stats{}, errors.New("sample " + n.request.Name + ": it ended")
	}
	return s, nil
}
