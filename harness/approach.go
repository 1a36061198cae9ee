package harness

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"taskbench/brokers"
	"taskbench/harness/faults"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy"
)

// approach puts a fault proxy before every server of the broker, and finds out by which URLs clients come through them.
func (s *stage) approach(ctx context.Context) error {
	s.url = s.node.Info().URL
	s.sendURL = s.url
	if g, ok := s.node.(lab.Group); ok {
		return s.approachEach(ctx, g.Members())
	}
	if s.node.Info().Addr == "" || s.cell.Driver.Server.Library {
		return nil
	}
	m, err := s.member(ctx, s.node)
	s.proxy = m.Proxy
	if err != nil {
		return err
	}
	s.url, s.sendURL = m.Via, m.SendVia
	s.follow()
	return nil
}

// approachEach gives each member a proxy of its own; clients get a list of all.
func (s *stage) approachEach(ctx context.Context, members []lab.Node) error {
	var via, sendVia []string
	for _, n := range members {
		m, err := s.member(ctx, n)
		if m.Proxy != nil {
			s.members = append(s.members, m)
		}
		if err != nil {
			return err
		}
		via, sendVia = append(via, m.Via), append(sendVia, m.SendVia)
	}
	s.url, s.sendURL = brokers.JoinURLs(via), brokers.JoinURLs(sendVia)
	return nil
}

// member puts a proxy before a server. On error there may be a proxy, which is to be closed.
func (s *stage) member(ctx context.Context, n lab.Node) (m faults.Member, err error) {
	m.Node = n
	if m.Proxy, err = proxy.Listen(ctx, n.Info().Addr); err == nil {
		m.Via, err = through(n.Info().URL, m.Proxy.AddrOf(proxy.Workers))
	}
	if err == nil {
		m.SendVia, err = through(n.Info().URL, m.Proxy.AddrOf(proxy.Publishers))
	}
	if err != nil {
		return m, fmt.Errorf("put the fault proxy before %s: %w", s.cell.Driver.Name, err)
	}
	return m, nil
}

// through is the URL of the same server by way of the proxy. It is not Server.URL of the proxy's address: a URL that
// was given may hold a user and a database, and may leave out the port.
func through(raw, proxy string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("its URL cannot be parsed") // and may hold a password
	}
	u.Host = proxy
	return u.String(), nil
}

// proxies are those before the broker's servers.
func (s *stage) proxies() []*proxy.Proxy {
	var list []*proxy.Proxy
	if s.proxy != nil {
		list = append(list, s.proxy)
	}
	for _, m := range s.members {
		list = append(list, m.Proxy)
	}
	return list
}

// servers are the broker's, by the names under which they are sampled and keep their logs.
func (s *stage) servers() []string {
	if len(s.members) == 0 {
		return []string{"broker"}
	}
	var names []string
	for _, m := range s.members {
		names = append(names, m.Node.Info().Name)
	}
	return names
}
