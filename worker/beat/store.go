package beat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Mark is what is known of an entry's past.
type Mark struct {
	Name     string
	Schedule string    // in text: the ticks of another schedule were others
	Last     time.Time // all ticks up to here are dealt with
	Claim    time.Time // the tick that is being sent; zero: none
	Runs     int64     // how many ticks were sent
	Done     bool      // the entry is over: a one-off that was sent, or its Until has passed
}

// Forgotten tells whether the mark says that there is nothing to remember of its entry any more.
func (m Mark) Forgotten() bool { return m.Last.IsZero() && m.Claim.IsZero() && !m.Done }

// A Memory keeps marks. Errors of Write leave it unknown what was written; to write the same again is harmless.
type Memory interface {
	// Recall returns all marks.
	Recall(ctx context.Context) ([]Mark, error)

	// Write replaces the marks of the entries named, and drops those that are Forgotten.
	Write(ctx context.Context, marks []Mark) error
}

// A Store is where a schedule comes from, and where its past is kept. It is used by one Runner, from several
// goroutines.
type Store interface {
	// Load returns the whole schedule, and whether it may have changed since the last Load without an error; where
	// it has not, the entries may be nil. Entries that are wrong are left out and told by an EntryError beside the
	// rest; with any other error there are none, and the caller goes on with those it has.
	Load(ctx context.Context) (entries []Entry, changed bool, err error)

	Memory
}

// An EntryError tells of entries that are left out of a schedule.
type EntryError struct{ Err error }

func (e EntryError) Error() string { return e.Err.Error() }

// Unwrap returns the mistakes.
func (e EntryError) Unwrap() error { return e.Err }

// ErrLost is returned by a Lock's Write where it is not held any more: nothing was written.
var ErrLost = errors.New("the lock is not held any more")

// A HeldError says that somebody else has the lock.
type HeldError struct{ By string }

func (e HeldError) Error() string { return fmt.Sprintf("the lock is held by %s", e.By) }

// A Lock lets one of several beats fire, and hands the marks on to the next one. It is used from several goroutines.
type Lock interface {
	// Acquire takes the lock, or prolongs it where it is held already, for a time that counts from the call. The
	// number that it returns is another one, above 0, each time that the lock is taken anew. The error is a
	// HeldError where somebody else has it.
	Acquire(ctx context.Context, lease time.Duration) (tenure int64, err error)

	// Release gives the lock up at once, where it is held.
	Release(ctx context.Context) error

	// Recall is that of a Memory.
	Recall(ctx context.Context) ([]Mark, error)

	// Write is that of a Memory, but for writing only while the lock is held, and still in that tenure: otherwise
	// nothing is written, and the error is ErrLost.
	Write(ctx context.Context, tenure int64, marks []Mark) error
}

// tenured is a lock's memory during one tenure.
type tenured struct {
	Lock
	tenure int64
}

func (t tenured) Write(ctx context.Context, marks []Mark) error {
	return t.Lock.Write(ctx, t.tenure, marks)
}
