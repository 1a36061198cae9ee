package shrink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskbench/harness/scenario"
)

// faults leaves faults out: all of them, then one half or the other, then ever smaller parts, down to single ones.
func (h *hunt) faults(ctx context.Context) {
	if len(h.best().Faults) > 0 {
		h.try(ctx, with(h.best(), nil), "without any fault")
	}
	for parts := 2; len(h.best().Faults) > 1; {
		now := h.best().Faults
		parts = min(parts, len(now))
		switch {
		case h.part(ctx, now, parts):
			parts = 2
		case parts > 2 && h.rest(ctx, now, parts):
			parts--
		case parts == len(now):
			return
		default:
			parts *= 2
		}
	}
}

// part tries to keep one part alone.
func (h *hunt) part(ctx context.Context, now []scenario.Fault, parts int) bool {
	for i := range parts {
		from, to := bounds(len(now), parts, i)
		if h.try(ctx, with(h.best(), now[from:to]), "only "+numbers(now[from:to])) {
			return true
		}
	}
	return false
}

// rest tries to leave one part out.
func (h *hunt) rest(ctx context.Context, now []scenario.Fault, parts int) bool {
	for i := range parts {
		from, to := bounds(len(now), parts, i)
		left := slices.Concat(now[:from], now[to:])
		if h.try(ctx, with(h.best(), left), "without "+numbers(now[from:to])) {
			return true
		}
	}
	return false
}

func bounds(n, parts, i int) (from, to int) { return i * n / parts, (i + 1) * n / parts }

func numbers(lines []scenario.Fault) string {
	var list []string
	for _, f := range lines {
		list = append(list, fmt.Sprint(f.Number))
	}
	if len(list) == 1 {
		return "fault " + list[0]
	}
	return "faults " + strings.Join(list, ", ")
}

// The least that is left of a load: before the first fault, and after the last one.
const (
	leastLead = 500 * time.Millisecond
	leastTail = time.Second
)

// load cuts off time in which no fault hurts: after the last, before the first, and of the warm-up; as much as can be,
// or else half of it.
func (h *hunt) load(ctx context.Context) {
	for _, cut := range []struct {
		what string
		idle func(scenario.Scenario) time.Duration
		off  func(*scenario.Scenario, time.Duration)
	}{
		{"ends %s earlier", tail, func(s *scenario.Scenario, d time.Duration) { s.Load.For -= d }},
		{"begins %s later", lead, later},
		{"warms up for %s less", func(s scenario.Scenario) time.Duration { return s.Load.Warmup - leastTail }, func(s *scenario.Scenario, d time.Duration) { s.Load.Warmup -= d }},
	} {
		for part := time.Duration(1); part <= 2; part++ {
			d := (cut.idle(h.best()) / part).Truncate(100 * time.Millisecond)
			if d <= 0 {
				continue
			}
			s := with(h.best(), h.best().Faults)
			cut.off(&s, d)
			if h.try(ctx, s, fmt.Sprintf(cut.what, scenario.FormatDuration(d))) {
				break
			}
		}
	}
}

func tail(s scenario.Scenario) time.Duration {
	var last time.Duration
	for _, f := range s.Faults {
		last = max(last, f.Ends())
	}
	return s.Load.For - last - leastTail
}

func lead(s scenario.Scenario) time.Duration {
	if len(s.Faults) == 0 {
		return 0
	}
	first := s.Faults[0].At
	for _, f := range s.Faults {
		first = min(first, f.At)
	}
	return first - leastLead
}

func later(s *scenario.Scenario, d time.Duration) {
	s.Load.For -= d
	for i := range s.Faults {
		s.Faults[i].At -= d
	}
}

// rate halves the load as long as it still fails; a burst is made smaller.
func (h *hunt) rate(ctx context.Context) {
	for {
		s := h.best()
		what := ""
		switch {
		case s.Load.Burst > 1:
			s.Load.Burst /= 2
			what = fmt.Sprintf("a burst of %d", s.Load.Burst)
		case s.Load.Rate >= 2:
			s.Load.Rate, s.Load.From = s.Load.Rate/2, s.Load.From/2
			what = "a rate of " + scenario.FormatRate(s.Load.Rate)
		}
		if what == "" || !h.try(ctx, s, what) {
			return
		}
	}
}

// workers tries one worker, then half of them, then one less.
func (h *hunt) workers(ctx context.Context) {
	for _, n := range []int{1, h.best().System.Workers / 2, h.best().System.Workers - 1} {
		s := h.best()
		if n < 1 || n >= s.System.Workers {
			continue
		}
		s.System.Workers = n
		h.try(ctx, s, fmt.Sprintf("workers: %d", n))
	}
}
