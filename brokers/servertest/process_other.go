//go:build !linux

package servertest

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func killAll(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may be gone
