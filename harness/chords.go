package harness

import (
	"context"
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/tasks"
)

// formChords prepares the sending of chords, where the workload has them.
func (s *stage) formChords(ctx context.Context, mix *tasks.Mix) (err error) {
	if s.chords = mix.Chords(); s.chords.Size() == 0 {
		return nil
	}
	if s.cell.System.Count == nil {
		return fmt.Errorf("prepare the chords: system %s does not count their tasks", s.cell.System.Name)
	}
	if s.counter, err = s.cell.System.Count(ctx, s.sendURL); err != nil {
		return fmt.Errorf("prepare the chords: %w", err)
	}
	return nil
}

// An announcer publishes as whoever sends a chord does: before the last task of its header it says how many there are. A
// task of which it could not say so is not sent, so that its chord never ends: others of the header may be sent later,
// but none of them will find the count complete.
type announcer struct {
	brokers.Broker
	stage *stage
}

// Publish implements brokers.Broker.
func (a announcer) Publish(ctx context.Context, m brokers.Message) error {
	s := a.stage
	if seq, ours := s.run.Parse(m.CorrelationID); ours && s.chords.IsLast(seq) {
		chord := s.run.ID(s.chords.BodyOf(seq))
		if err := s.counter.Expect(ctx, chord, s.chords.Size()); err != nil {
			return brokers.Refuse(fmt.Errorf("say how many tasks chord %s has: %w", chord, err))
		}
	}
	return a.Broker.Publish(ctx, m)
}
