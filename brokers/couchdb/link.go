package couchdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-kivik/kivik/v4"
	"github.com/go-kivik/kivik/v4/couchdb"

	"taskbench/brokers"
)

// A link is all that goes over the wire to one server.
type link struct {
	wire     *wire
	client   *kivik.Client
	messages *kivik.DB
	holders  *kivik.DB
	base     string // the server's URL, without user and password
	addr     string
	database string
	product  product
	clock    *clock
	strokes  *ids         // names of writes
	settled  atomic.Int64 // messages that have left a tombstone since the last compaction
	busy     atomic.Bool  // with one
}

// A product is what a server says of itself.
type product struct {
	CouchDB string `json:"couchdb"`
	PouchDB string `json:"express-pouchdb"`
	Version string `json:"version"`
}

// String names the product where it is not CouchDB.
func (p product) String() string {
	if p.PouchDB != "" {
		return "PouchDB Server " + p.Version
	}
	return p.Version
}

// dial returns when the server has said what it is.
func dial(ctx context.Context, rawURL string) (*link, error) {
	set, err := configure(rawURL)
	if err != nil {
		return nil, err
	}
	c := newClock(time.Now)
	l := &link{wire: newWire(c), clock: c, strokes: newIDs(c), base: set.base, addr: set.addr, database: set.database}
	err = l.do(ctx, func(ctx context.Context) error { return l.enter(ctx, set) })
	if errors.Is(err, context.DeadlineExceeded) && l.product == (product{}) { // it may be waiting for the end of a line
		err = fmt.Errorf("%w; it is silent, as CouchDB is to more connections than it takes (raise max in server_options of [chttpd], which is 2048, "+
			"or start fewer workers), or %w", err, errForeign)
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("open couchdb at %s: %w", l.addr, brokers.Refuse(err)) // only asked
	}
	return l, nil
}

// enter finds out who answers, before a password is sent there. A PouchDB Server without users lets everybody do everything
// and refuses every password, so none is sent.
func (l *link) enter(ctx context.Context, set settings) error {
	anybody, err := kivik.New("couch", set.base, couchdb.OptionHTTPClient(l.wire.client()), couchdb.OptionNoRequestCompression())
	if err != nil {
		return err
	}
	v, err := anybody.Version(ctx)
	if err != nil && kivik.HTTPStatus(err) != http.StatusUnauthorized { // a server behind a door of its own
		return foreign(err)
	}
	if err == nil && (json.Unmarshal(v.RawResponse, &l.product) != nil || l.product.CouchDB+l.product.PouchDB == "") {
		return errForeign
	}
	l.client = anybody
	if set.user != "" {
		open := false
		if l.product.PouchDB != "" {
			s, err := anybody.Session(ctx)
			open = err == nil && slices.Contains(s.Roles, "_admin")
		}
		if !open {
			l.client, err = kivik.New("couch", set.base, couchdb.OptionHTTPClient(l.wire.client()), couchdb.OptionNoRequestCompression(),
				couchdb.BasicAuth(set.user, set.password))
			if err != nil {
				return err
			}
		}
	}
	if l.product.Version == "" {
		if v, err = l.client.Version(ctx); err != nil {
			return err
		}
		if json.Unmarshal(v.RawResponse, &l.product) != nil || l.product.CouchDB+l.product.PouchDB == "" {
			return errForeign
		}
	}
	l.messages, l.holders = l.client.DB(l.database), l.client.DB(holdersOf(l.database))
	return nil
}

// unlikeHTTP are the signs of a server that speaks something else, in answer or before it was asked: net/http has no names
// for them.
var unlikeHTTP = []string{"malformed HTTP", "readLoopPeekFailLocked: %!w(<nil>)"}

// foreign tells what a server answers that is none of CouchDB's from what happens to connections.
func foreign(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) && !slices.ContainsFunc(unlikeHTTP, func(sign string) bool { return strings.Contains(err.Error(), sign) }) {
		return err
	}
	return fmt.Errorf("%w: %w", errForeign, cause(err))
}

// prepare makes the databases that are not there.
func (l *link) prepare(ctx context.Context) error {
	for _, name := range []string{l.database, holdersOf(l.database)} {
		err := l.do(ctx, func(ctx context.Context) error {
			there, err := l.client.DBExists(ctx, name)
			if err != nil || there {
				return err
			}
			if err = l.client.CreateDB(ctx, name); kivik.HTTPStatus(err) == http.StatusPreconditionFailed { // another was faster
				err = nil
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("open couchdb at %s: find or make database %s: %w", l.addr, name, brokers.Refuse(err))
		}
	}
	return nil
}

// do asks the server, for no longer than its patience, and gives up waiting when ctx ends. What was asked goes on then.
func (l *link) do(ctx context.Context, ask func(context.Context) error) error {
	return brokers.Within(ctx, func() error {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return l.judge(ask(own))
	})
}

// judge makes an error Definite where nothing had been sent, or where the server itself refused all of it, and says what
// to do. It shows nothing of the URL.
func (l *link) judge(err error) error {
	if err == nil {
		return nil
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, brokers.ErrClosed):
		return brokers.ErrClosed
	case errors.Is(err, errForeign):
		return brokers.Refuse(err)
	case isTLS(err):
		return brokers.Refusef("%w: have this machine trust who signed the server's certificate, or name the host as that does", cause(err))
	case errors.As(err, &dial) && dial.Op == "dial":
		return brokers.Refuse(brokers.Unreached(cause(err)))
	}
	var said *refusal
	if !errors.As(err, &said) {
		return cause(err)
	}
	err = fmt.Errorf("the server answers %w", said)
	if advice := adviceFor(said.HTTPStatus(), l.database); advice != "" {
		err = fmt.Errorf("%w; %s", err, advice)
	}
	if said.HTTPStatus() < 500 {
		return brokers.Refuse(err)
	}
	return err
}

// close drops the connections. What is under way fails.
func (l *link) close() { l.wire.close() }

// sequence is where the feed of changes is now.
func (l *link) sequence(ctx context.Context) (since string, err error) {
	err = l.do(ctx, func(ctx context.Context) error {
		s, err := l.messages.Stats(ctx)
		if err == nil {
			since = s.UpdateSeq
		}
		return err
	})
	return since, err
}

// A row is what is known of a document without reading it.
type row struct {
	id, rev string
	deleted bool
}

// list reads up to n names of documents after one, up to and without the end.
func (l *link) list(ctx context.Context, db *kivik.DB, after, end string, n int) (rows []row, err error) {
	err = l.do(ctx, func(ctx context.Context) error {
		rs := db.AllDocs(ctx, kivik.Params(map[string]any{"startkey": after, "endkey": end, "limit": n + 1}))
		defer func() { _ = rs.Close() }()
		for rs.Next() {
			id, err := rs.ID()
			if err != nil {
				return err
			}
			var value struct {
				Rev string `json:"rev"`
			}
			if err := rs.ScanValue(&value); err != nil {
				return err
			}
			if id != after && id != end && len(rows) < n {
				rows = append(rows, row{id: id, rev: value.Rev})
			}
		}
		return rs.Err()
	})
	return rows, err
}

// fetch reads documents whole. Those that are not there any more are missing.
func (l *link) fetch(ctx context.Context, ids []string) (found map[string]document, err error) {
	found = make(map[string]document, len(ids))
	err = l.do(ctx, func(ctx context.Context) error {
		rs := l.messages.AllDocs(ctx, kivik.Params(map[string]any{"keys": ids, "include_docs": true}))
		defer func() { _ = rs.Close() }()
		for rs.Next() {
			var raw json.RawMessage
			if err := rs.ScanDoc(&raw); err != nil || len(raw) == 0 || string(raw) == "null" {
				continue // not found, or deleted
			}
			d, err := read(raw)
			if err != nil {
				return err
			}
			found[d.ID] = d
		}
		return rs.Err()
	})
	return found, err
}

// heartbeat has the server say a little all the time while there is nothing to say, in milliseconds.
const heartbeat = 3000

// A news is what the feed of changes tells at once.
type news struct {
	rows []row  // of messages
	last string // how far it is
	more bool   // whether there is more already
}

// changes reads up to n of what was written since a point of the feed. With wait it returns no earlier than that there is
// something, or that ctx ends.
func (l *link) changes(ctx context.Context, since string, wait bool, n int) (news, error) {
	params := map[string]any{"since": since, "limit": n}
	if wait {
		params["feed"], params["heartbeat"] = "longpoll", heartbeat
	}
	feed := l.messages.Changes(ctx, kivik.Params(params))
	defer func() { _ = feed.Close() }()
	var told news
	for count := 1; feed.Next(); count++ {
		told.more = count == n
		r := row{id: feed.ID(), deleted: feed.Deleted()}
		if !strings.HasPrefix(r.id, prefix) {
			continue
		}
		for _, rev := range feed.Changes() {
			if r.rev == "" || generation(rev) > generation(r.rev) {
				r.rev = rev
			}
		}
		told.rows = append(told.rows, r)
	}
	if err := feed.Err(); err != nil {
		return news{}, l.judge(err)
	}
	meta, err := feed.Metadata()
	if err != nil {
		return news{}, l.judge(err)
	}
	told.last = meta.LastSeq
	return told, nil
}
