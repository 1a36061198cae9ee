package postgres

import (
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestConfigure(t *testing.T) {
	for _, url := range []string{
		"postgresql://u:p%40ss@db.example:5433/jobs?sslmode=disable", "postgres://u:p%40ss@db.example:5433/jobs?sslmode=disable",
		"sqla+postgresql://u:p%40ss@db.example:5433/jobs?sslmode=disable", "sqla+postgresql+psycopg2://u:p%40ss@db.example:5433/jobs?sslmode=disable",
	} {
		cfg, err := configure(url, Driver.Variants[1])
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if address(cfg) != "db.example:5433" || cfg.User != "u" || cfg.Password != "p@ss" || cfg.Database != "jobs" {
			t.Errorf("%s is read as %s, user %s, database %s", url, address(cfg), cfg.User, cfg.Database)
		}
		if got := cfg.RuntimeParams["synchronous_commit"]; got != "off" {
			t.Errorf("%s: synchronous_commit is %q, want that of the variant", url, got)
		}
	}
	for _, url := range []string{"mysql://u:s3cret@h/d", "postgresql://u:s3cret@h/d?sslmode=s3cret", "postgresql://u:s3cret@h/d?connect_timeout=s3cret", "h:s3cret"} {
		if _, err := configure(url, Driver.Variants[0]); !brokers.Definite(err) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), form) {
			t.Errorf("%s: %v, want a Definite error that shows the form and nothing secret", url, err)
		}
	}
}
