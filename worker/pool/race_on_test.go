//go:build race

package pool

const raced = true // the race detector takes memory and time of its own
