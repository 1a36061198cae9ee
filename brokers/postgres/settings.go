package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers"
)

// patience bounds every small exchange with the server; those that write much may take a second more for every pace of
// bytes, and those that claim messages as long as some come.
const (
	patience = 4 * time.Second
	pace     = 1 << 20
)

const form = "postgresql://user:password@host:port/database"

// configure reads the URL. That of Celery's transport (sqla+postgresql+psycopg2://...) is understood; its parameters are
// PostgreSQL's own.
func configure(rawURL string, v brokers.Variant) (*pgx.ConnConfig, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, badURL(rawURL, err)
	}
	u.Scheme, _, _ = strings.Cut(strings.TrimPrefix(u.Scheme, "sqla+"), "+")
	if u.Scheme != "postgresql" && u.Scheme != "postgres" {
		return nil, badURL(rawURL, errors.New("the scheme is another"))
	}
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return nil, badURL(rawURL, errors.New("there is an @ behind the host"))
	}
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		// What the parser says may quote the URL.
		return nil, badURL(rawURL, errors.New("its host, port or one of its parameters cannot be used"))
	}
	cfg.DialFunc = counted(cfg.DialFunc)
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = patience
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "taskbench"
	}
	for name := range session {
		cfg.RuntimeParams[name] = session[name]
	}
	cfg.RuntimeParams["default_transaction_isolation"] = "read committed"
	if commit := v.Settings["synchronous_commit"]; commit != "" {
		cfg.RuntimeParams["synchronous_commit"] = commit
	}
	return cfg, nil
}

func badURL(rawURL string, err error) error {
	return fmt.Errorf("read postgres URL: %w", brokers.RefuseURL(rawURL, form, err))
}

// address is what errors call the server.
func address(cfg *pgx.ConnConfig) string {
	return net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
}

// number is the version without what a distribution adds to it.
func number(version string) string {
	n, _, _ := strings.Cut(version, " ")
	return n
}
