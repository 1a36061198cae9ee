package memory

import (
	"context"
	"time"
)

// Claim implements result.Claimer.
func (s *Results) Claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error) {
	if err := s.Usable(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if k, ok := s.claims[id]; ok && k.value != holder && now.Before(k.until) {
		return k.until.Sub(now), nil
	}
	s.claims[id] = kept[string]{holder, now.Add(life)}
	return 0, nil
}

// Release implements result.Claimer.
func (s *Results) Release(ctx context.Context, id, holder string) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims[id].value == holder {
		delete(s.claims, id)
	}
	return nil
}
