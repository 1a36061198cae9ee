package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

// Options of Build.
type Options struct {
	Only    []string                   // names of the images to build; none is all
	Force   bool                       // build anew what is fresh, which also fetches newer packages; the base stays
	Log     io.Writer                  // output of the builders; nil discards it
	Done    func(Image)                // told of each image as soon as it is there; nil is nobody
	LeftOut func(i Image, cause error) // told of each that cannot be built and that nobody asked for by name; nil is nobody

	// Claim is told of a directory that is made beside the user's programs, as brokers.Workbench has it; nil is nobody.
	Claim func(dir string) (release func() error, err error)
}

// Build makes the images that are missing or not made from the recipe as it is now, and returns all that were
// asked for, the base first. What it made before an error stays, and is returned with the error. Where all are asked for,
// those are left out that are optional or made from sources which are not here, and that cannot be built.
func Build(ctx context.Context, o Options) ([]Image, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Done == nil {
		o.Done = func(Image) {}
	}
	if o.LeftOut == nil {
		o.LeftOut = func(Image, error) {}
	}
	recipes, err := read(o.Only)
	if err != nil {
		return nil, err
	}
	c, err := engine.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("build images: %w", err)
	}
	defer func() { _ = c.Close() }()

	base, err := ensureBase(ctx, c, o.Log)
	if err != nil {
		return nil, err
	}
	o.Done(base)
	built, err := ensureAll(ctx, c, recipes, base.ID, o)
	return append([]Image{base}, built...), err
}

// ensureAll is Build for all but the base.
func ensureAll(ctx context.Context, c *client.Client, recipes []recipe, baseID string, o Options) (all []Image, err error) {
	for _, r := range recipes {
		i, err := ensure(ctx, c, r, baseID, o)
		if err != nil && len(o.Only) == 0 && ctx.Err() == nil && (i.Optional != "" || errors.Is(err, errNoSources)) {
			o.LeftOut(i, err)
			continue
		}
		if err != nil {
			return all, err
		}
		o.Done(i)
		all = append(all, i)
	}
	return all, nil
}

// ensure builds one image unless it is fresh.
func ensure(ctx context.Context, c *client.Client, r recipe, baseID string, o Options) (Image, error) {
	want := func() string { return r.content(baseID) }
	i, err := look(ctx, c, r.image(), want)
	if err != nil || (i.Fresh && !o.Force) {
		return i, err
	}
	began, old := time.Now(), i.ID
	if err := build(ctx, c, r, want(), o); err != nil {
		return i, fmt.Errorf("build image %s: %w", i.Tag, err)
	}
	i, err = look(ctx, c, r.image(), want)
	i.Took = time.Since(began)
	if old != "" && old != i.ID { // nameless now, and of no more use; where a container still runs from it, it stays
		_, _ = c.ImageRemove(ctx, old, client.ImageRemoveOptions{PruneChildren: true})
	}
	return i, err
}

func build(ctx context.Context, c *client.Client, r recipe, content string, o Options) error {
	files := map[string][]byte{"Dockerfile": r.text}
	if r.program() != "" {
		binary, err := r.compile(ctx, o)
		if err != nil {
			return err
		}
		files[r.name] = binary
	}
	if r.modules() != "" {
		packages, err := r.install(ctx)
		if err != nil {
			return err
		}
		files[r.name+".tar"] = packages
	}
	archive, err := pack(files)
	if err != nil {
		return err
	}
	base := Base
	resp, err := c.ImageBuild(ctx, archive, client.ImageBuildOptions{
		Tags:        []string{r.image().Tag},
		BuildArgs:   map[string]*string{"BASE": &base},
		Labels:      map[string]string{contentLabel: content},
		NetworkMode: "host", // the bridge's name service may not know where this machine gets its packages
		NoCache:     o.Force,
		Remove:      true,
		ForceRemove: true,
	})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return follow(resp.Body, o.Log)
}

// pack makes the archive that the engine builds from.
func pack(files map[string][]byte) (io.Reader, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	return &archive, w.Close()
}

// follow copies the engine's progress stream to the log and returns the error that it ends with, if any.
func follow(stream io.Reader, log io.Writer) error {
	for d := json.NewDecoder(stream); ; {
		var m jsonstream.Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the engine's answer: %w", err)
		case m.Error != nil:
			return fmt.Errorf("%s (are the distribution's package archives reachable from here?)", m.Error.Message)
		}
		if m.Stream != "" {
			_, _ = io.WriteString(log, m.Stream)
		}
	}
}
