package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// makeClaimable makes the table of claims, where nobody has.
func (b *Backend) makeClaimable(ctx context.Context) error {
	if b.claimable.Load() {
		return nil
	}
	if err := b.write(ctx, b.dialect.claims); err != nil && b.write(ctx, "SELECT 1 FROM taskbench_claims WHERE 1 = 0") != nil {
		return fmt.Errorf("make the table taskbench_claims: %w", err)
	}
	b.claimable.Store(true)
	return nil
}

// Claim implements result.Claimer. The claim is written where the row lets it, and the row then says whose it is.
func (b *Backend) Claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error) {
	var of string
	var ms int64
	d := b.dialect
	if err = b.makeClaimable(ctx); err == nil {
		insert := fmt.Sprintf("INSERT INTO taskbench_claims (task_id, holder, expires) VALUES (%s, %s, %s + %s)", d.places(1), d.places(2), d.now, d.places(3))
		err = b.write(ctx, insert+d.claim(d.now), id, holder, life.Milliseconds())
	}
	if err == nil {
		err = b.do(ctx, func(ctx context.Context) error {
			query := "SELECT holder, expires - " + d.now + " FROM taskbench_claims WHERE task_id = " + d.places(1)
			return b.db.QueryRowContext(ctx, query, id).Scan(&of, &ms)
		})
	}
	switch {
	case errors.Is(err, sql.ErrNoRows): // released since
		return time.Millisecond, nil
	case err != nil:
		return 0, fmt.Errorf("claim task %s in %s: %w", id, d.driver, err)
	case of == holder:
		return 0, nil
	}
	return time.Duration(max(ms, 1)) * time.Millisecond, nil
}

// Release implements result.Claimer.
func (b *Backend) Release(ctx context.Context, id, holder string) error {
	err := b.write(ctx, "DELETE FROM taskbench_claims WHERE task_id = "+b.dialect.places(1)+" AND holder = "+b.dialect.places(2), id, holder)
	if err != nil {
		return fmt.Errorf("release task %s in %s: %w", id, b.dialect.driver, err)
	}
	return nil
}
