package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"taskbench/ci/images"
)

const suffix = ".Dockerfile"

// An UnknownError is a name that no Dockerfile has.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no image %q can be built: there are %s", e.Name, strings.Join(e.Known, ", "))
}

// A recipe is one Dockerfile.
type recipe struct {
	name string
	text []byte
}

func (r recipe) image() Image {
	return Image{Name: r.name, Tag: prefix + r.name + ":1", Optional: r.optional()}
}

// A Dockerfile with this line says why its image may be one that cannot be built today: all others are built without it.
var optionalLine = regexp.MustCompile(`(?m)^# optional: (\S.*)$`)

// optional is that reason; "" where there is none.
func (r recipe) optional() string {
	if found := optionalLine.FindSubmatch(r.text); found != nil {
		return string(found[1])
	}
	return ""
}

// content is the hash of what the image is made from: the recipe, its base, and what else it is made of here. The packages
// that apt-get installs are not in it, so a newer package needs a forced build. Where the sources are not here, an image
// counts as made from others.
func (r recipe) content(baseID string) string {
	h := sha256.New()
	h.Write([]byte(baseID + "\n"))
	h.Write(r.text)
	if r.inputs() != "" {
		sum, err := r.sum()
		if err != nil {
			return "sources unknown"
		}
		h.Write([]byte(sum))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// read returns the recipes with these names, all of them when there are none, sorted by name.
func read(only []string) ([]recipe, error) {
	files, err := fs.Glob(images.Files, "*"+suffix)
	if err != nil {
		return nil, fmt.Errorf("list the Dockerfiles: %w", err)
	}
	var rs []recipe
	var known []string
	for _, file := range files {
		name := strings.TrimSuffix(file, suffix)
		known = append(known, name)
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		text, err := images.Files.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		rs = append(rs, recipe{name, text})
	}
	for _, name := range only {
		if !slices.Contains(known, name) {
			return nil, &UnknownError{name, known}
		}
	}
	return rs, nil
}
