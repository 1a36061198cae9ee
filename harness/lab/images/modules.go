package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// A Dockerfile with this line adds an archive, which is named after the image, of the packages that a directory of this
// repository pins. The machine's own npm fetches them: it is set up for where this machine gets its packages from.
var modulesLine = regexp.MustCompile(`(?m)^# modules: (\S+)$`)

// modules is the directory of the lock file in the repository; "" where there is none.
func (r recipe) modules() string {
	if found := modulesLine.FindSubmatch(r.text); found != nil {
		return string(found[1])
	}
	return ""
}

// install fetches the packages, and returns the archive of them. Their scripts are not run.
func (r recipe) install(ctx context.Context) ([]byte, error) {
	from, err := r.sources()
	if err != nil {
		return nil, err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, errors.New("npm is not installed: apt-get install npm")
	}
	dir, err := os.MkdirTemp("", "taskbench-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears it up, too
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fetch the packages of %s with npm: %w: %s", r.modules(), err, strings.TrimSpace(string(said)))
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return nil, fmt.Errorf("pack the packages of %s: %w", r.modules(), err)
	}
	return archive.Bytes(), w.Close()
}
