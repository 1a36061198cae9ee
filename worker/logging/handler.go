package logging

import (
	"context"
	"log/slog"
)

// Leveled returns a handler that hands on to next what is at or above its module's level.
func Leveled(next slog.Handler, l Levels) slog.Handler {
	return &leveled{next: next, levels: l, level: l.Rest}
}

type leveled struct {
	next    slog.Handler
	levels  Levels
	level   slog.Level // of the module that is set
	grouped bool       // attributes that come now are in a group, and do not set the module
}

func (h *leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.next.Enabled(ctx, level)
}

func (h *leveled) Handle(ctx context.Context, r slog.Record) error { return h.next.Handle(ctx, r) }

func (h *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == Module && !h.grouped {
			c.level = h.levels.Of(a.Value.Resolve().String())
		}
	}
	return &c
}

func (h *leveled) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.next, c.grouped = h.next.WithGroup(name), true
	return &c
}
