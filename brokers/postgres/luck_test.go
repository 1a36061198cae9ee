package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

func TestLuck(t *testing.T) {
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:     lucktest.URL("postgresql", "/jobs", "sslmode=disable"),
		Foreign: "is it a PostgreSQL server",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("postgresql", "/jobs", "sslmode=verify-full"), Advice: "check sslmode", Begin: func(c net.Conn) error {
			_, err := io.ReadFull(c, make([]byte, 8)) // the request for it
			if err == nil {
				_, err = c.Write([]byte("S"))
			}
			return err
		}},
		Start: func(t *testing.T, s *lucktest.Subject) {
			s.Server = servertest.LaunchAs(t, Driver, s.Variant, func(*brokers.Command, string) {}).URL
			s.Apart = func(ahead time.Duration) string {
				return servertest.LaunchAs(t, Driver, s.Variant, func(c *brokers.Command, _ string) {
					c.Env = append(c.Env, servertest.Apart(t, ahead)...)
				}).URL
			}
			s.Refusals = map[string]lucktest.Refusal{"disk": {Advice: "free space", Meet: func(ctx context.Context) error { return full(ctx, t, s.Server) }}}
		},
		Elsewhere: map[string]string{
			"password": "TestRefusalsSayWhatToDo/password", "rights": "TestRefusalsSayWhatToDo/no right to write",
			"replica": "TestRefusalsSayWhatToDo/replica", "connections": "TestRefusalsSayWhatToDo/connections",
			"shape": "TestRefusalsSayWhatToDo/other tables",
		},
	})
}

// full has the server say what it says of a full disk.
func full(ctx context.Context, t *testing.T, at string) error {
	t.Helper()
	b := openAt(t, at, Driver.Variants[0])
	if _, err := b.pool.Exec(ctx, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if _, err := b.pool.Exec(ctx, `CREATE TRIGGER full_disk BEFORE INSERT ON taskbench_message EXECUTE FUNCTION full_disk()`); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	err := b.Publish(ctx, letter("q", "1"))
	if _, undone := b.pool.Exec(ctx, `DROP TRIGGER full_disk ON taskbench_message`); undone != nil {
		return errors.Join(err, undone)
	}
	return err
}
