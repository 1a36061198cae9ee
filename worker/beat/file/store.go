package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"taskbench/worker/beat"
)

// A Store is a beat.Store of two files.
type Store struct {
	schedule string
	zone     *time.Location
	state    *state

	mu   sync.Mutex
	seen fs.FileInfo // of the schedule that was loaded last; nil: none
}

// Open opens the store of a schedule and a state file; the latter is made when there is something to keep. The schedule
// is read by Load. Zone is as for Parse. One process at a time may use a state file; the lock on it ends with Close or
// with the process. The log is told of a state file that is damaged.
func Open(schedule, statePath string, zone *time.Location, log *slog.Logger) (*Store, error) {
	s, err := openState(statePath, log)
	if err != nil {
		return nil, fmt.Errorf("open the state of beat: %w", err)
	}
	return &Store{schedule: schedule, zone: zone, state: s}, nil
}

// Load implements beat.Store. Entries with mistakes fail the whole file, with Problems.
func (s *Store) Load(ctx context.Context) ([]beat.Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.schedule)
	if err != nil {
		return nil, false, fmt.Errorf("read schedule: %w", err)
	}
	if s.seen != nil && os.SameFile(s.seen, info) && s.seen.ModTime().Equal(info.ModTime()) && s.seen.Size() == info.Size() {
		return nil, false, nil
	}
	entries, err := Read(s.schedule, s.zone)
	if err != nil {
		return nil, false, err
	}
	s.seen = info // as it was before it was read: what is changed since is seen next time
	return entries, true, ctx.Err()
}

// Recall implements beat.Memory.
func (s *Store) Recall(context.Context) ([]beat.Mark, error) { return s.state.recall(), nil }

// Write implements beat.Memory. It does not wait for the disk.
func (s *Store) Write(_ context.Context, marks []beat.Mark) error {
	if err := s.state.write(marks); err != nil {
		return fmt.Errorf("write the state of beat to %s: %w", s.state.path, err)
	}
	return nil
}

// Close makes the state last, and gives the files up. A second call does nothing.
func (s *Store) Close() error { return s.state.close() }

// Recall reads the marks of a state file that another process may be using. There are none where there is no file.
func Recall(statePath string) ([]beat.Mark, error) {
	data, err := os.ReadFile(statePath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of beat: %w", err)
	}
	s := state{marks: map[string]beat.Mark{}}
	if err := decodeLog(string(data), s.marks); err != nil {
		return nil, fmt.Errorf("read the state of beat: %s is damaged: %w", statePath, err)
	}
	return s.recall(), nil
}

// Read reads a schedule without a state. Zone is as for Parse.
func Read(path string, zone *time.Location) ([]beat.Entry, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	return Parse(path, data, zone)
}
