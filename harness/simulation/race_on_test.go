//go:build race

package simulation

// raced: the race detector takes ten times as long.
const raced = true
