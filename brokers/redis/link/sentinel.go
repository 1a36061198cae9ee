package link

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// A watch is how to find the master of the moment. User and password of the URL are for the master, as with kombu; those
// for the sentinels stand in parameters.
type watch struct {
	sentinels          []string
	master             string
	username, password string
}

// A target is where to connect to: a server, or, with a watch, whatever server the sentinels name when it is dialled, or, with
// servers, whichever of them says that it is the primary.
type target struct {
	*goredis.Options
	watch   *watch
	servers *servers
}

func (t target) client() *goredis.Client {
	o, w := t.Options, t.watch
	if w == nil {
		return goredis.NewClient(o)
	}
	return goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName: w.master, SentinelAddrs: w.sentinels, SentinelUsername: w.username, SentinelPassword: w.password,
		Dialer: o.Dialer, Protocol: o.Protocol, Username: o.Username, Password: o.Password, DB: o.DB,
		MaxRetries: o.MaxRetries, DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries,
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout, PoolSize: o.PoolSize,
		DisableIdentity: o.DisableIdentity,
	})
}

// String names the target without its secrets.
func (t target) String() string {
	switch {
	case t.servers != nil:
		var addrs []string
		for _, o := range t.servers.options {
			addrs = append(addrs, o.Addr)
		}
		return strings.Join(addrs, ", ")
	case t.watch == nil:
		return t.Addr
	}
	return t.watch.master + " of the sentinels " + strings.Join(t.watch.sentinels, ", ")
}

// sentinels reads kombu's list of sentinels, sentinel://host:port;sentinel://host:port/db, whose user, database and
// parameters may stand in any of its parts. It returns them as a URL of one server, which is the first sentinel. Any other URL is returned as it is.
func sentinels(rawURL string) (string, *watch, error) {
	if !strings.HasPrefix(rawURL, "sentinel://") {
		return rawURL, nil, nil
	}
	one, w, query := url.URL{Scheme: "redis"}, watch{}, url.Values{}
	for part := range strings.SplitSeq(rawURL, ";") {
		u, err := url.Parse(part)
		if err == nil && (u.Scheme != "sentinel" || u.Hostname() == "") {
			err = errors.New("a part of it is no sentinel://host:port")
		}
		if err != nil {
			return "", nil, badURL(rawURL, err)
		}
		w.sentinels = append(w.sentinels, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "26379")))
		one.Path = cmp.Or(strings.Trim(u.Path, "/"), one.Path)
		if u.User != nil {
			one.User = u.User
		}
		maps.Copy(query, u.Query())
	}
	one.Host = w.sentinels[0]
	for name, to := range map[string]*string{"master_name": &w.master, "sentinel_username": &w.username, "sentinel_password": &w.password} {
		*to = query.Get(name)
		query.Del(name)
	}
	one.RawQuery = query.Encode()
	if w.master == "" {
		return "", nil, badURL(one.String(), errors.New("it names no master_name"))
	}
	w.sentinels = slices.Compact(w.sentinels)
	return one.String(), &w, nil
}

// leaderless tells whether no sentinel could name a master that answers, so that nothing was sent to one.
func leaderless(err error) bool {
	return strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable")
}
