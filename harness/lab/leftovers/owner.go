// Package leftovers finds and removes what a run left behind when it was killed: containers and their
// networks, processes and directories.
//
// Everything that is started carries the identity of its owner, the process that started it: containers and networks as
// labels, processes in their environment, and all of it as a file in the user's state directory that is written
// before the thing itself is made. The identity holds the owner's start time beside its pid, so that a pid that
// is used again is not taken for the owner, nor an innocent process for something that was owned.
package leftovers

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"taskbench/harness/lab/proc"
)

// An Owner is a process that starts things.
type Owner struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot
	Boot  string `json:"boot"`  // the run of the kernel
	Host  string `json:"host"`  // the machine and the pid namespace that PID belongs to
	UID   int    `json:"uid"`
	Run   string `json:"run"`
	State string `json:"state,omitempty"` // the state directory that it writes in
}

// Self is the identity of this process.
func Self(run string) (Owner, error) {
	p, err := proc.Read(os.Getpid())
	if err != nil {
		return Owner{}, fmt.Errorf("find out who owns what is started: %w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		return Owner{}, fmt.Errorf("find out who owns what is started: %w", err)
	}
	space, _ := os.Readlink("/proc/self/ns/pid") // "pid:[4026531836]"
	space = strings.Trim(strings.TrimPrefix(space, "pid:"), "[]")
	return Owner{
		PID: p.PID, Start: p.Start, Boot: proc.Boot(), Host: name + "/" + space, UID: os.Getuid(), Run: run,
	}, nil
}

// gone tells whether the owner is known to run no more. Of another machine's or namespace's owner nothing is
// known, and another user's things are not ours to remove.
func (o Owner) gone(self Owner) bool {
	if o.PID == 0 || o.Host != self.Host || o.UID != self.UID {
		return false
	}
	return o.Boot != self.Boot || !proc.Alive(o.PID, o.Start)
}

func (o Owner) String() string {
	if o.Run == "" {
		return fmt.Sprintf("pid %d", o.PID)
	}
	return fmt.Sprintf("pid %d, run %s", o.PID, o.Run)
}

// The labels of a container or a network, and the environment of a process.
const (
	labelPID   = "taskbench.owner.pid"
	labelStart = "taskbench.owner.start"
	labelBoot  = "taskbench.owner.boot"
	labelHost  = "taskbench.owner.host"
	labelUID   = "taskbench.owner.uid"
	labelRun   = "taskbench.run"
	labelState = "taskbench.owner.state"
	labelKeep  = "taskbench.keep"

	envOwner      = "TASKBENCH_OWNER"
	envOwnerState = "TASKBENCH_OWNER_STATE"
	envKeep       = "TASKBENCH_KEEP"
)

// Labels are those of a container or a network that the owner starts. One to keep is swept by Down alone.
func (o Owner) Labels(keep bool) map[string]string {
	return map[string]string{
		labelPID:   strconv.Itoa(o.PID),
		labelStart: strconv.FormatUint(o.Start, 10),
		labelBoot:  o.Boot,
		labelHost:  o.Host,
		labelUID:   strconv.Itoa(o.UID),
		labelRun:   o.Run,
		labelState: o.State,
		labelKeep:  strconv.FormatBool(keep),
	}
}

func fromLabels(l map[string]string) (o Owner, keep bool) {
	o = Owner{Boot: l[labelBoot], Host: l[labelHost], Run: l[labelRun], State: l[labelState]}
	o.PID, _ = strconv.Atoi(l[labelPID])
	o.Start, _ = strconv.ParseUint(l[labelStart], 10, 64)
	o.UID, _ = strconv.Atoi(l[labelUID])
	return o, l[labelKeep] == "true"
}

// Env is what a process that the owner starts has in its environment, and so has all that comes from it.
func (o Owner) Env(keep bool) []string {
	return []string{envOwner + "=" + o.mark(), envOwnerState + "=" + o.State, envKeep + "=" + strconv.FormatBool(keep)}
}

func (o Owner) mark() string {
	return fmt.Sprintf("%d,%d,%s,%d,%s,%s", o.PID, o.Start, o.Boot, o.UID, o.Host, o.Run)
}

// fromMark reads what mark wrote; of anything else it makes an owner that is never gone.
func fromMark(s string) Owner {
	f := strings.SplitN(s, ",", 6)
	if len(f) != 6 {
		return Owner{}
	}
	o := Owner{Boot: f[2], Host: f[4], Run: f[5]}
	o.PID, _ = strconv.Atoi(f[0])
	o.Start, _ = strconv.ParseUint(f[1], 10, 64)
	o.UID, _ = strconv.Atoi(f[3])
	return o
}
