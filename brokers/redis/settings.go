package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"taskbench/brokers"
)

// patience bounds every exchange with the server. It is what makes a link that died silently be noticed.
const patience = 4 * time.Second

type settings struct {
	lease      time.Duration // how long after its last sign of life a consumer of ours counts as dead
	visibility time.Duration // how old a booking without a lease must be to be given back
}

const (
	defaultLease      = 5 * time.Second
	defaultVisibility = time.Hour
)

// configure reads the URL. Its parameters visibility_timeout and lease overrule the variant's settings of those
// names; kombu's redis+socket:///path?virtual_host=1 is understood; all else is go-redis's.
func configure(rawURL string, v brokers.Variant) (*goredis.Options, settings, error) {
	s := settings{lease: defaultLease, visibility: defaultVisibility}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, s, badURL(rawURL, err)
	}
	query := u.Query()
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{{"lease", &s.lease}, {"visibility_timeout", &s.visibility}} {
		text := v.Settings[f.name]
		if query.Has(f.name) {
			text = query.Get(f.name)
			query.Del(f.name)
		}
		if text == "" {
			continue
		}
		if *f.to, err = time.ParseDuration(text); err != nil || *f.to < 100*time.Millisecond {
			return nil, s, brokers.Refusef("redis setting %s is %q: want a duration of 100ms or more, such as 30s", f.name, text)
		}
	}
	s.lease = min(s.lease, s.visibility)
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
		return nil, s, badURL(rawURL, err)
	}
	o.MaxRetries = -1 // a repeated LPUSH would be a second message
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
	o.Dialer = wrapped(goredis.NewDialer(o))
	o.Protocol = 2
	o.PoolSize = 128 // dialled as needed; each watched queue blocks one
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, s, nil
}

func badURL(rawURL string, err error) error {
	return fmt.Errorf("read redis URL: %w", brokers.RefuseURL(rawURL, "redis://user:password@host:port/db", err))
}

// judge makes an error Definite where the server itself refused, or where nothing had been sent.
func judge(err error) error {
	if err == nil {
		return nil
	}
	var refused goredis.Error
	var network *net.OpError
	switch {
	case errors.Is(err, goredis.ErrClosed):
		return brokers.ErrClosed
	case errors.As(err, &refused), errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrPoolExhausted),
		errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &network) && network.Op == "dial":
		return brokers.Refuse(err)
	}
	return err
}

// judgef is judge with a context for the message.
func judgef(err error, format string, args ...any) error {
	if err = judge(err); err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
