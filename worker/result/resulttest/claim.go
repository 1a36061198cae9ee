package resulttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

func claimClauses() []Clause {
	return []Clause{
		{Name: "claim-one", Why: "two copies of a chord's body that are taken at the same moment must not both run", Needs: []string{Claimer}, Check: claimOne},
		{Name: "claim-lapses", Why: "the claim of a worker that died must not keep a task from others for ever", Needs: []string{Claimer}, Check: claimLapses},
		{Name: "claim-renewed", Why: "a task may run for longer than a claim lasts", Needs: []string{Claimer}, Check: claimRenewed},
		{Name: "claim-released", Why: "a copy that waits goes on as soon as the other has failed, and nobody ends another's claim", Needs: []string{Claimer}, Check: claimReleased},
	}
}

// claimOne has many holders ask for one task over two connections.
func claimOne(ctx context.Context, e *Env) error {
	const holders = 20
	other, err := e.Open(ctx, result.Options{})
	if err != nil {
		return err
	}
	claimers := []result.Claimer{e.Backend.(result.Claimer), other.(result.Claimer)}
	for round := range 5 {
		id := e.id(fmt.Sprint("task", round))
		waits, errs := make([]time.Duration, holders), make([]error, holders)
		var all sync.WaitGroup
		for i := range holders {
			all.Go(func() { waits[i], errs[i] = claimers[i%2].Claim(ctx, id, fmt.Sprint("holder-", i), time.Minute) })
		}
		all.Wait()
		had := 0
		for i, wait := range waits {
			switch {
			case errs[i] != nil:
				return errs[i]
			case wait == 0:
				had++
			case wait < 0 || wait > time.Minute+time.Second: // a server may be asked for its time first
				return fmt.Errorf("a claim for a minute lapses in %v", wait)
			}
		}
		if had != 1 {
			return fmt.Errorf("%d of %d holders were given the task at the same moment", had, holders)
		}
	}
	return nil
}

// claims asks for a task, and demands the answer.
func claims(ctx context.Context, b result.Claimer, id, holder string, life time.Duration, want bool) error {
	wait, err := b.Claim(ctx, id, holder, life)
	if err == nil && (wait == 0) != want {
		err = fmt.Errorf("holder %s: the claim of another lapses in %v, want that it is given the task to be %v", holder, wait, want)
	}
	return err
}

func claimLapses(ctx context.Context, e *Env) error {
	b, id := e.Backend.(result.Claimer), e.id("task")
	began := time.Now()
	if err := claims(ctx, b, id, "dead", time.Second, true); err != nil {
		return err
	}
	if err := claims(ctx, b, id, "next", time.Minute, false); err != nil && time.Since(began) < time.Second { // else it has lapsed
		return err
	}
	if err := servertest.Until(ctx, soon, func() error { return claims(ctx, b, id, "next", time.Minute, true) }); err != nil {
		return err
	}
	if took := time.Since(began); took < 900*time.Millisecond { // clocks are read in milliseconds
		return fmt.Errorf("a claim for a second lapsed after %v", took)
	}
	return claims(ctx, b, id, "dead", time.Minute, false)
}

func claimRenewed(ctx context.Context, e *Env) error {
	b, id := e.Backend.(result.Claimer), e.id("task")
	if err := claims(ctx, b, id, "first", time.Second, true); err != nil {
		return err
	}
	if err := claims(ctx, b, id, "first", time.Minute, true); err != nil {
		return err
	}
	wait, err := b.Claim(ctx, id, "second", time.Minute)
	if err == nil && wait < 30*time.Second {
		err = fmt.Errorf("a claim that was renewed for a minute lapses in %v", wait)
	}
	return err
}

func claimReleased(ctx context.Context, e *Env) error {
	b, id := e.Backend.(result.Claimer), e.id("task")
	if err := b.Release(ctx, id, "nobody"); err != nil {
		return fmt.Errorf("release what nobody has claimed: %w", err)
	}
	if err := claims(ctx, b, id, "first", time.Minute, true); err != nil {
		return err
	}
	if err := b.Release(ctx, id, "second"); err != nil {
		return err
	}
	if err := claims(ctx, b, id, "second", time.Minute, false); err != nil {
		return fmt.Errorf("after a release by another than the holder: %w", err)
	}
	if err := b.Release(ctx, id, "first"); err != nil {
		return err
	}
	return claims(ctx, b, id, "second", time.Minute, true)
}
