package link

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
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
	Copies     int           // on how many replicas a message is before its publish is confirmed
}

const (
	DefaultLease      = 5 * time.Second // where neither the URL nor the variant says another
	defaultVisibility = time.Hour
)

// configure reads the URL, or a list of those of several servers, which must differ in their hosts alone.
func configure(rawURL string, v brokers.Variant) (target, Settings, error) {
	urls := brokers.URLs(rawURL)
	if len(urls) == 1 || strings.HasPrefix(rawURL, "sentinel://") {
		return configureOne(rawURL, v)
	}
	var first target
	var set Settings
	var options []*goredis.Options
	for i, one := range urls {
		t, s, err := configureOne(one, v)
		if err == nil && t.Network != "tcp" {
			err = badURL(one, errors.New("of several servers each is reached by TCP"))
		}
		if i == 0 {
			first, set = t, s
		}
		if err == nil && (s != set || t.DB != first.DB || t.Username != first.Username || t.Password != first.Password) {
			err = badURL(one, errors.New("the servers of the list have not the same user, password, database and parameters"))
		}
		if err != nil {
			return target{}, s, err
		}
		options = append(options, t.Options)
	}
	several := *first.Options
	first.servers = newServers(options)
	several.Dialer = wrapped(first.servers.dial)
	first.Options = &several
	return first, set, nil
}

// configureOne reads one URL. Its parameters visibility_timeout and lease overrule the variant's settings of those
// names; kombu's redis+socket:///path?virtual_host=1 and its list of sentinels are understood; all else is go-redis's.
func configureOne(rawURL string, v brokers.Variant) (target, Settings, error) {
	s := Settings{Lease: DefaultLease, Visibility: defaultVisibility}
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
	if text := v.Settings["wait"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return brokers.Refusef("redis setting wait is %q: want a number of replicas, such as 1", text)
		}
		s.Copies = n
	}
	return nil
}

func badURL(rawURL string, err error) error {
	form := "redis://user:password@host:port/db, or sentinel://host:port;sentinel://host:port/db?master_name=name"
	return fmt.Errorf("read redis URL: %w", brokers.RefuseURL(rawURL, form, err))
}
