package brokers

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Binary returns the path of a server's binary on this machine, by any of the names that stand in one of
// ServerSpec.Binaries, or "". Names are separated by "|"; one with slashes is a pattern of path/filepath, and of what
// fits that the newest, by the versions in the paths.
func Binary(names string) string {
	for name := range strings.SplitSeq(names, "|") {
		candidates := []string{name}
		if strings.Contains(name, "/") {
			candidates, _ = filepath.Glob(name)
			slices.SortFunc(candidates, byVersion)
		}
		for _, c := range slices.Backward(candidates) {
			if path, err := exec.LookPath(c); err == nil {
				return path
			}
		}
	}
	return ""
}

// Unfit says why the binary at that path is none that the driver can use, or "".
func (s ServerSpec) Unfit(ctx context.Context, path string) string {
	if s.Oldest == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	words := strings.Fields(string(said))
	if err != nil || len(words) == 0 {
		return fmt.Sprintf("%s does not say its version (--version: %v)", path, err)
	}
	version := strings.TrimPrefix(words[len(words)-1], "v")
	if byNumber(version, s.Oldest) < 0 {
		return fmt.Sprintf("%s is %s, which is too old: %s or newer is wanted", path, version, s.Oldest)
	}
	return ""
}

// versionPatience is how long a binary may take to say its version.
const versionPatience = 5 * time.Second

// byVersion compares paths in whose elements every run of digits is one number: 9.6 comes before 17.
func byVersion(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), byNumber)
}

func byNumber(a, b string) int {
	for a != "" && b != "" {
		n, m := digits(a), digits(b)
		if n == 0 || m == 0 {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, y := strings.TrimLeft(a[:n], "0"), strings.TrimLeft(b[:m], "0")
		if order := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); order != 0 {
			return order
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many of them a text begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
