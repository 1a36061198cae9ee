package beat

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// writing bounds one exchange with a memory.
const writing = 3 * time.Second

// A book writes marks, and keeps those that could not be written for the next time.
type book struct {
	to     Memory
	what   string // "store" or "lock"
	owed   map[string]Mark
	broken bool // the last write failed
	log    *slog.Logger
}

// claim writes marks that must be there before anything is sent. It keeps none.
func (b *book) claim(ctx context.Context, marks []Mark) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	return b.to.Write(ctx, marks)
}

// write writes marks, and what is owed.
func (b *book) write(ctx context.Context, marks []Mark) error {
	if len(b.owed) > 0 { // of each entry the latest
		for _, m := range marks {
			b.owed[m.Name] = m
		}
		marks = slices.Collect(maps.Values(b.owed))
	}
	if len(marks) == 0 {
		return nil
	}
	err := b.claim(ctx, marks)
	switch {
	case err != nil && !b.broken:
		b.log.Error("cannot write down what was sent: going on in memory, and trying again", "where", b.what, "error", err)
	case err == nil && b.broken:
		b.log.Info("what was sent is written down again", "where", b.what, "entries", len(marks))
	}
	if b.broken = err != nil; !b.broken {
		b.owed = nil // not cleared: a map keeps the size that it once had
		return nil
	}
	if len(b.owed) == 0 {
		b.owed = make(map[string]Mark, len(marks))
		for _, m := range marks {
			b.owed[m.Name] = m
		}
	}
	return err
}

// forget gives up what is owed.
func (b *book) forget() { b.owed, b.broken = nil, false }
