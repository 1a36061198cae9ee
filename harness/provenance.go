package harness

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Version is taskbench's own; the git revision is added where the build knows it.
const Version = "0.1.0"

func provenance(p Plan) Provenance {
	host, _ := os.Hostname()
	return Provenance{
		Version: version(), Go: runtime.Version(), OS: osName(), Kernel: kernel(), Host: host, CPU: cpuModel(),
		CPUs: runtime.NumCPU(), Memory: memory(), Started: time.Now().UTC().Format(time.RFC3339), Command: p.Command,
	}
}

func version() string {
	v := Version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			v += "+" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			v += ".modified"
		}
	}
	return v
}

// osName is the distribution's name for itself, or Go's for the system.
func osName() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return runtime.GOOS
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

func memory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	for i, f := range fields {
		if f == "MemTotal:" && i+1 < len(fields) {
			kib, _ := strconv.ParseInt(fields[i+1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
