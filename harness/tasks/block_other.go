//go:build !linux

package tasks

import "time"

// block spins, the nearest to a sleep that Go cannot end: pools with children, in which the difference shows, are for
// Linux.
func block(d time.Duration, _ bool) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
	return nil
}
