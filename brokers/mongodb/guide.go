package mongodb

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
)

// A guide leads the library to the members of a replica set by other addresses than those that they tell of each other,
// which may mean nothing where the client is. It implements options.ContextDialer.
type guide struct {
	ways  map[string]string // the address of a member as the URL says it, and a URL of that one alone
	asked func(ctx context.Context, url string) (name string, err error)

	learning sync.Mutex // by who asks

	mu    sync.Mutex
	known map[string]string // the address that leads to a member, by the one that it tells
}

func newGuide(ways map[string]string) *guide {
	return &guide{ways: ways, known: map[string]string{}, asked: func(ctx context.Context, url string) (string, error) {
		var hello struct {
			Me string `bson:"me"`
		}
		err := tell(ctx, url, "hello", &hello)
		return hello.Me, err
	}}
}

// DialContext connects to the member that tells an address.
func (g *guide) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	way, err := g.way(ctx, address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, way)
}

func (g *guide) way(ctx context.Context, address string) (string, error) {
	if _, ours := g.ways[address]; ours {
		return address, nil
	}
	if way := g.knows(address); way != "" {
		return way, nil
	}
	g.learning.Lock()
	defer g.learning.Unlock()
	if g.knows(address) == "" {
		g.learn(ctx)
	}
	way := g.knows(address)
	if way == "" {
		return "", fmt.Errorf("none of the servers that the URL names and that answer is %s, of which the others tell", address)
	}
	return way, nil
}

func (g *guide) knows(address string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[strings.ToLower(address)]
}

// learn asks those who are not known yet what they are called.
func (g *guide) learn(ctx context.Context) {
	met := map[string]bool{}
	g.mu.Lock()
	for _, way := range g.known {
		met[way] = true
	}
	g.mu.Unlock()
	var all sync.WaitGroup
	for way, url := range g.ways {
		if met[way] {
			continue
		}
		all.Go(func() {
			name, err := g.asked(ctx, url)
			if err != nil || name == "" { // it is asked again when it is wanted again
				return
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.known[strings.ToLower(name)] = way
		})
	}
	all.Wait()
}
