package native

import "taskbench/harness/lab/proc"

// tree is the live processes of a worker, the worker's own first.
func tree(pid int) []int {
	pids := []int{pid}
	all, err := proc.All()
	if err != nil {
		return pids
	}
	for _, p := range proc.Family(all, pid) {
		if p.PID != pid {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// running tells whether the process is there and no zombie.
func running(pid int) bool {
	p, err := proc.Read(pid)
	return err == nil && !p.Gone()
}
