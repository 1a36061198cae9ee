package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab"
	"taskbench/harness/lab/proc"
)

// A meter sums what the lives of a container have used. Where its processes are this host's, they are looked at
// directly: the engine's own figures take many times as long.
type meter struct {
	before float64 // CPU seconds of the lives that are over
	seen   float64 // the most that was seen of the present one
	pid    int     // of the container's first process, 0 where it is not this host's
	group  string  // its cgroup's directory
	conns  proc.ConnCounter
}

// next closes the account of a life and opens that of the next.
func (m *meter) next(id string, pid int) {
	*m = meter{before: m.before + m.seen}
	if dir, ok := cgroup(id, pid); ok {
		m.pid, m.group = pid, dir
	}
}

// cgroup finds the directory that tells which processes the container has. That its path holds the container's
// id is the proof that the pid is one of this host, and not of another one where the engine runs.
func cgroup(id string, pid int) (string, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || id == "" {
		return "", false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !strings.Contains(f[2], id) {
			continue
		}
		dir := filepath.Join("/sys/fs/cgroup", f[1], f[2]) // of version 2 the middle is empty
		if f[1] != "" && !strings.Contains(f[1], "cpuacct") {
			continue
		}
		if _, err := proc.GroupPIDs(dir); err == nil {
			return dir, true
		}
	}
	return "", false
}

func (n *node) Stats(ctx context.Context) (lab.Stats, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || n.life.over() {
		return lab.Stats{}, fmt.Errorf("sample %s: it does not run", n.request.Name)
	}
	s, err := n.sample(ctx)
	if err != nil {
		return lab.Stats{}, fmt.Errorf("sample %s: %w", n.request.Name, err)
	}
	n.meter.seen = max(n.meter.seen, s.CPUSeconds)
	s.CPUSeconds = n.meter.before + n.meter.seen
	return s, nil
}

// reckon takes a last sample of a life, for its account.
func (n *node) reckon() { _, _ = n.Stats(context.Background()) }

func (l *life) over() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// sample is of the present life alone.
func (n *node) sample(ctx context.Context) (lab.Stats, error) {
	m := &n.meter
	if m.pid == 0 {
		return n.ask(ctx)
	}
	pids, err := proc.GroupPIDs(m.group)
	if err != nil {
		return lab.Stats{}, err
	}
	used, err := proc.Sum(pids)
	if err != nil {
		return lab.Stats{}, err
	}
	s := lab.Stats{CPUSeconds: used.CPUSeconds, RSS: used.RSS, FDs: used.FDs, Conns: m.conns.Count(m.pid, n.request.Driver.Server.Port)}
	if cpu, ok := cpuSeconds(m.group); ok { // knows of processes that are gone, too
		s.CPUSeconds = cpu
	}
	return s, nil
}

// cpuSeconds reads a cgroup's account, of version 1 or 2.
func cpuSeconds(group string) (float64, bool) {
	if b, err := os.ReadFile(filepath.Join(group, "cpuacct.usage")); err == nil {
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
		return ns / 1e9, err == nil
	}
	b, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return us / 1e6, err == nil
		}
	}
	return 0, false
}

// ask has the engine take the sample.
func (n *node) ask(ctx context.Context) (lab.Stats, error) {
	resp, err := n.engine.ContainerStats(ctx, n.id, client.ContainerStatsOptions{})
	if err != nil {
		return lab.Stats{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var s container.StatsResponse
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return lab.Stats{}, fmt.Errorf("read the engine's answer: %w", err)
	}
	// The page cache that the kernel would give back at once is not what the server uses.
	cache := s.MemoryStats.Stats["inactive_file"] + s.MemoryStats.Stats["total_inactive_file"]
	rss := int64(s.MemoryStats.Usage) - int64(min(cache, s.MemoryStats.Usage))
	return lab.Stats{CPUSeconds: float64(s.CPUStats.CPUUsage.TotalUsage) / 1e9, RSS: rss, FDs: -1, Conns: -1}, nil
}
