package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"taskbench/brokers"
)

// A link is the connection to one server. The library's pool replaces connections that fail; the link remembers that
// one did, and tells who depends on it.
type link struct {
	client *driver.Client
	db     *driver.Database
	addr   string
	server build

	serving atomic.Pointer[string] // the address of the server that was asked last

	mu      sync.Mutex
	failed  map[int]func(error)
	next    int
	closing sync.Once
}

// A build is what a server says of itself. FerretDB tells a version of MongoDB's, too.
type build struct {
	Version string `bson:"version"`
	Ferret  string `bson:"ferretdbVersion"`
}

// String names the product where it is not MongoDB.
func (b build) String() string {
	if b.Ferret != "" {
		return "FerretDB " + strings.TrimPrefix(b.Ferret, "v")
	}
	return b.Version
}

var errLink = errors.New("the connection failed")

// dial returns when the server has answered.
func dial(ctx context.Context, url string, v brokers.Variant) (*link, error) {
	l := &link{failed: map[int]func(error){}}
	set, err := configure(url, v, &event.PoolMonitor{Event: l.hear})
	if err != nil {
		return nil, err
	}
	if l.client, err = driver.Connect(set.options); err != nil {
		return nil, brokers.Refusef("connect to mongodb at %s: the driver does not understand its options", set.addr)
	}
	l.addr, l.db = set.addr, l.client.Database(set.database)
	err = l.do(ctx, func(ctx context.Context) error {
		return l.db.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&l.server)
	})
	if err != nil {
		l.close()
		return nil, fmt.Errorf("open mongodb at %s: %w", l.addr, brokers.Refuse(unwelcome(err))) // only asked
	}
	return l, nil
}

// do asks the server, for no longer than its patience, and gives up waiting when ctx ends. What was asked goes on then:
// a context that ends in the middle of an exchange would cost the connection.
func (l *link) do(ctx context.Context, ask func(context.Context) error) error {
	return brokers.Within(ctx, func() error {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return judge(ask(own))
	})
}

// hear is told by the library what its pools do, of which each server of a set has one. A pool is cleared when one of its
// connections has failed: that of a server which was asked nothing is nobody's loss.
func (l *link) hear(e *event.PoolEvent) {
	switch serving := l.serving.Load(); {
	case e.Type == event.ConnectionCheckedOut && (serving == nil || *serving != e.Address):
		l.serving.Store(&e.Address)
		return
	case e.Type != event.ConnectionPoolCleared, serving != nil && *serving != e.Address:
		return
	}
	err := errLink
	if e.Error != nil {
		err = fmt.Errorf("%w: %w", errLink, e.Error)
	}
	l.mu.Lock()
	tell := make([]func(error), 0, len(l.failed))
	for _, f := range l.failed {
		tell = append(tell, f)
	}
	l.mu.Unlock()
	for _, f := range tell {
		f(err)
	}
}

// watch has f told, from then on until forget is called, that a connection has failed. f must not block.
func (l *link) watch(f func(error)) (forget func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.next
	l.next++
	l.failed[n] = f
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.failed, n)
	}
}

// close drops the connections. What is under way fails.
func (l *link) close() {
	l.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		_ = l.client.Disconnect(ctx) // nothing depends on it any more
	})
}

// place names the server and the database: equal places hold the same messages.
func (l *link) place() string { return l.addr + "/" + l.db.Name() + "/" }
