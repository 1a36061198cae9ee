package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

const suite = "bookworm"

// ensureBase makes the base image unless it is there: from the registry, or else with mmdebstrap.
func ensureBase(ctx context.Context, c *client.Client, log io.Writer) (Image, error) {
	base := Image{Name: "base", Tag: Base}
	i, err := look(ctx, c, base, nil)
	if err != nil || i.Fresh {
		return i, err
	}
	began := time.Now()
	pulled := pullBase(ctx, c)
	if pulled != nil {
		if ctx.Err() != nil {
			return i, fmt.Errorf("make base image %s: %w", Base, pulled)
		}
		_, _ = fmt.Fprintf(log, "%s cannot be pulled (%v); bootstrapping Debian %s with mmdebstrap\n", Upstream, pulled, suite)
		if err := bootstrap(ctx, c, log); err != nil {
			return i, fmt.Errorf("make base image %s: it could not be pulled (%w), nor bootstrapped: %w", Base, pulled, err)
		}
	}
	i, err = look(ctx, c, base, nil)
	i.Took = time.Since(began)
	return i, err
}

func pullBase(ctx context.Context, c *client.Client) error {
	if err := engine.Known.Pull(ctx, c, Upstream); err != nil {
		return err
	}
	_, err := c.ImageTag(ctx, client.ImageTagOptions{Source: Upstream, Target: Base})
	return err
}

// bootstrap streams a minimal Debian system from mmdebstrap into the engine.
func bootstrap(ctx context.Context, c *client.Client, log io.Writer) error {
	path, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return errors.New("mmdebstrap is not installed: apt-get install mmdebstrap, or run `make engine`")
	}
	// mmdebstrap chooses its own way to be root (unshare) where it is not.
	cmd := exec.CommandContext(ctx, path, "--variant=minbase", "--format=tar", suite, "-")
	end := &tail{}
	cmd.Stderr = io.MultiWriter(log, end)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start mmdebstrap: %w", err)
	}
	// The engine must not take a system that was cut short for a whole one, so it sees the end of the archive
	// only after mmdebstrap ended well.
	whole, hand := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(hand, out)
		if failed := cmd.Wait(); failed != nil {
			err = fmt.Errorf("mmdebstrap: %w: %s", failed, end)
		}
		_ = hand.CloseWithError(err)
		copied <- err
	}()
	resp, err := c.ImageImport(ctx, client.ImageImportSource{Source: whole, SourceName: "-"}, Base,
		client.ImageImportOptions{Message: "Debian " + suite + ", minbase", Changes: []string{`CMD ["/bin/bash"]`}})
	if err == nil {
		err = follow(resp, log)
		_ = resp.Close()
	}
	_ = whole.CloseWithError(errors.New("the engine stopped reading"))
	if failed := <-copied; failed != nil && err != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("import into the engine: %w", err)
	}
	return nil
}

// tail keeps the last few hundred bytes written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if extra := len(t.b) - 600; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.Join(strings.FieldsFunc(string(bytes.TrimSpace(t.b)), func(r rune) bool { return r == '\n' }), "; ")
}
