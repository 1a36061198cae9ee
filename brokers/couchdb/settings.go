package couchdb

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"taskbench/brokers"
)

const (
	patience = 10 * time.Second // bounds every exchange with the server
	dialing  = 4 * time.Second  // how long a connection may take to come about
	largest  = 8_000_000 - 1000 // bytes of a document: CouchDB's own bound as it comes, and room for what is around a message
)

const form = "couchdb://user:password@host:port/database, or couchdbs:// for TLS"

// settings are what a URL says.
type settings struct {
	base           string // the server's, without user and password
	addr           string // for people
	user, password string
	database       string
}

// names are those that CouchDB allows a database to have, but for "/".
var names = regexp.MustCompile(`^[a-z][a-z0-9_$()+-]*$`)

// configure reads the URL.
func configure(rawURL string) (settings, error) {
	bad := func(cause error) (settings, error) {
		return settings{}, brokers.Refusef("read couchdb URL: %w", brokers.RefuseURL(rawURL, form, cause))
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return bad(errors.New("there is no host in it"))
	}
	scheme := map[string]string{"couchdb": "http", "http": "http", "couchdbs": "https", "https": "https"}[u.Scheme]
	s := settings{base: scheme + "://" + u.Host + "/", addr: u.Host, database: strings.Trim(u.Path, "/")}
	if s.database == "" {
		s.database = "taskbench"
	}
	switch {
	case scheme == "":
		return bad(errors.New("the scheme is another"))
	case strings.Contains(u.Path+u.RawQuery+u.Fragment, "@"):
		return bad(nil)
	case u.RawQuery != "" || u.Fragment != "":
		return bad(errors.New("there are no parameters"))
	case !names.MatchString(s.database):
		return bad(errors.New("the name of a database has lower-case letters, digits and _$()+- only, and begins with a letter"))
	}
	s.user = u.User.Username()
	s.password, _ = u.User.Password()
	return s, nil
}

var errForeign = errors.New("it is no CouchDB that answers there: check host and port in the URL")

// adviceFor tells what to do about an answer.
func adviceFor(status int, database string) string {
	switch status {
	case 401:
		return "check user and password in the URL"
	case 403:
		return fmt.Sprintf("make the user a member of the databases %s and %s that may read and write, or have an administrator look at what forbids it",
			database, holdersOf(database))
	case 404:
		return fmt.Sprintf("the databases %s and %s are made when a broker is opened: somebody has deleted one since", database, holdersOf(database))
	case 413:
		return "raise max_document_size of the server, or send less in one message"
	case 507:
		return "free space on the server's disk"
	}
	return ""
}

// holdersOf is the database beside the one of messages, for those who hold some.
func holdersOf(database string) string { return database + "-holders" }
