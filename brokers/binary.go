package brokers

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Binary returns the path of a server's binary on this machine, by any of the names that stand in one of
// ServerSpec.Binaries, or "". Names are separated by "|"; one with slashes is a pattern of path/filepath, and of what
// fits that the last, which is the newest.
func Binary(names string) string {
	for name := range strings.SplitSeq(names, "|") {
		candidates := []string{name}
		if strings.Contains(name, "/") {
			candidates, _ = filepath.Glob(name)
		}
		for _, c := range slices.Backward(candidates) {
			if path, err := exec.LookPath(c); err == nil {
				return path
			}
		}
	}
	return ""
}
