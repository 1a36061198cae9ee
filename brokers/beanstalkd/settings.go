package beanstalkd

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"taskbench/brokers"
)

const (
	defaultPort = "11300"
	defaultTTR  = 10 * time.Second
	longestTTR  = 24 * time.Hour
)

// settings are what a URL says, and a variant's settings where it says nothing.
type settings struct {
	addr string
	ttr  time.Duration // of the messages that are published: whole seconds
}

var (
	errScheme   = errors.New("the scheme is another")
	errUser     = errors.New("beanstalkd knows no users and no passwords")
	errHost     = errors.New("there is no host")
	errPath     = errors.New("beanstalkd has no databases, so there is no path")
	errFragment = errors.New("a fragment means nothing")
	errQuery    = errors.New("the only parameter is ttr")
	errTTR      = errors.New("ttr is a number of whole seconds from 1s to 24h, such as 10s")
)

// configure reads the URL. Its parameter ttr overrules the variant's setting of that name.
func configure(rawURL string, v brokers.Variant) (settings, error) {
	s := settings{ttr: defaultTTR}
	u, err := url.Parse(rawURL)
	if err != nil {
		return s, refuseURL(rawURL, err)
	}
	query := u.Query()
	text := v.Settings["ttr"]
	if query.Has("ttr") {
		text = query.Get("ttr")
		query.Del("ttr")
	}
	if text != "" {
		if s.ttr, err = time.ParseDuration(text); err != nil || s.ttr < time.Second || s.ttr > longestTTR || s.ttr%time.Second != 0 {
			return s, refuseURL(rawURL, errTTR)
		}
	}
	switch {
	case u.Scheme != "beanstalk":
		err = errScheme
	case u.User != nil:
		err = errUser
	case u.Hostname() == "":
		err = errHost
	case u.Path != "" && u.Path != "/":
		err = errPath
	case u.Fragment != "":
		err = errFragment
	case len(query) > 0:
		err = errQuery
	}
	if err != nil {
		return s, refuseURL(rawURL, err)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	s.addr = net.JoinHostPort(u.Hostname(), port)
	return s, nil
}

func refuseURL(rawURL string, cause error) error {
	return fmt.Errorf("read beanstalkd URL: %w", brokers.RefuseURL(rawURL, "beanstalk://host:port or beanstalk://host:port?ttr=10s", cause))
}
