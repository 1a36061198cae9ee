//go:build !linux

package pool

import (
	"context"
	"errors"
)

func newPrefork(context.Context, Settings) (Pool, error) {
	return nil, errors.New("the prefork pool needs Linux: take the goroutine pool")
}

func newGreen(context.Context, Settings) (Pool, error) {
	return nil, errors.New("the green pool needs Linux: take the goroutine pool")
}

// IsChild is false: only Linux has pool children.
func IsChild() bool { return false }

// Serve is never called, since IsChild is false.
func Serve(Runner) { panic("pool: there are no pool children on this system") }
