// Package images holds the recipes of the container images that `bench images build` makes where no registry can
// be reached. NAME.Dockerfile becomes taskbench/NAME:1; a new image is a new file here and nothing else.
package images

import "embed"

// Files are the Dockerfiles. Each takes its base image from the build argument BASE.
//
//go:embed *.Dockerfile
var Files embed.FS
