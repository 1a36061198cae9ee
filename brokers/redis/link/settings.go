package link

import (
	"fmt"
	"net/url"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"taskbench/brokers"
)

// Patience bounds every exchange with the server. It is what makes a link that died silently be noticed.
const Patience = 4 * time.Second

// Settings are those of a consumer.
type Settings struct {
	Lease      time.Duration // how long after its last sign of life a consumer of ours counts as dead
	Visibility time.Duration // for how long anybody else's may hold a message
}

const (
	defaultLease      = 5 * time.Second
	defaultVisibility = time.Hour
)

// configure reads the URL. Its parameters visibility_timeout and lease overrule the variant's settings of those
// names; kombu's redis+socket:///path?virtual_host=1 and its list of sentinels are understood; all else is go-redis's.
func configure(rawURL string, v brokers.Variant) (target, Settings, error) {
	s := Settings{Lease: defaultLease, Visibility: defaultVisibility}
	single, watch, err := sentinels(rawURL)
	if err != nil {
		return target{}, s, err
	}
	u, err := url.Parse(single)
	if err != nil {
		return target{}, s, badURL(rawURL, err)
	}
	query := u.Query()
	if err := s.read(query, v); err != nil {
		return target{}, s, err
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
		return target{}, s, badURL(single, err)
	}
	o.MaxRetries = -1 // a repeated LPUSH would be a second message
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = Patience, Patience, Patience, Patience
	o.Dialer = wrapped(goredis.NewDialer(o))
	o.Protocol = 2
	o.PoolSize = 128 // dialled as needed; each watched queue blocks one
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return target{Options: o, watch: watch}, s, nil
}

// read takes the settings from the variant, and from the URL's parameters, which it removes.
func (s *Settings) read(query url.Values, v brokers.Variant) error {
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{{"lease", &s.Lease}, {"visibility_timeout", &s.Visibility}} {
		text := v.Settings[f.name]
		if query.Has(f.name) {
			text = query.Get(f.name)
			query.Del(f.name)
		}
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 100*time.Millisecond {
			return brokers.Refusef("redis setting %s is %q: want a duration of 100ms or more, such as 30s", f.name, text)
		}
		*f.to = d
	}
	s.Lease = min(s.Lease, s.Visibility)
	return nil
}

func badURL(rawURL string, err error) error {
	form := "redis://user:password@host:port/db, or sentinel://host:port;sentinel://host:port/db?master_name=name"
	return fmt.Errorf("read redis URL: %w", brokers.RefuseURL(rawURL, form, err))
}
