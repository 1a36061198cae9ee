package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"taskbench/brokers"
	"taskbench/worker/result"
)

// patience bounds every exchange with the server. It is what makes a link that died silently be noticed.
const patience = 4 * time.Second

const form = "redis://user:password@host:port/db"

func configure(rawURL string) (*goredis.Options, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, badURL(rawURL, err)
	}
	query := u.Query()
	trusting := false
	if query.Has("ssl_cert_reqs") {
		how := strings.ToLower(strings.TrimPrefix(strings.ToUpper(query.Get("ssl_cert_reqs")), "CERT_"))
		switch how {
		case "none":
			trusting = true
		case "required", "optional":
		default:
			return nil, badURL(rawURL, errors.New("ssl_cert_reqs is none, optional or required"))
		}
		query.Del("ssl_cert_reqs")
	}
	if u.Scheme == "redis+socket" {
		u.Scheme = "unix"
		if query.Has("virtual_host") {
			query.Set("db", query.Get("virtual_host"))
			query.Del("virtual_host")
		}
	}
	u.RawQuery = query.Encode()
	o, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, badURL(rawURL, err)
	}
	if trusting && o.TLSConfig != nil {
		o.TLSConfig = &tls.Config{ServerName: o.TLSConfig.ServerName, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	}
	o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 3, 50*time.Millisecond, 500*time.Millisecond // all that is done here may be done twice
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

func badURL(rawURL string, err error) error {
	return fmt.Errorf("read redis URL: %w", brokers.RefuseURL(rawURL, form, err))
}

// temporary is false for what the server itself refused, which it will refuse again.
func temporary(err error) bool {
	var refused goredis.Error
	if errors.As(err, &refused) && !errors.Is(err, goredis.Nil) {
		text := refused.Error()
		for _, passing := range [...]string{"LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "OOM"} {
			if strings.HasPrefix(text, passing) {
				return true
			}
		}
		return false
	}
	return !errors.Is(err, goredis.ErrClosed) && !errors.Is(err, result.ErrBroken)
}
