package brokers

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// ErrClosed is returned by operations on a closed Broker; it is Definite.
var ErrClosed = Refuse(errors.New("broker is closed"))

// ErrSettled is returned by a second Ack or Nack.
var ErrSettled = errors.New("delivery is already settled")

// ErrURL is in the error for a URL that a driver cannot use, now or later: it is a mistake of who wrote it.
var ErrURL = errors.New("the broker's URL cannot be used")

type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// Refuse marks an error as Definite: whatever was being done provably had no effect on the broker.
// Refuse(nil) is nil.
func Refuse(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}

// Refusef is Refuse of a formatted error; %w works.
func Refusef(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// RefuseURL is the Definite error, and ErrURL, for a URL that a driver cannot use; form is what it takes. Nothing of the URL is
// shown, and cause only where that cannot quote a password either: a URL that does not parse, or that has an "@" behind
// its host because the password was not encoded, was split nobody knows where.
func RefuseURL(rawURL, form string, cause error) error {
	u, err := url.Parse(rawURL)
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return urlRefusal{fmt.Errorf("want %s, with all but the letters and digits of the password percent-encoded", form)}
	}
	return urlRefusal{fmt.Errorf("want %s: %w", form, cause)}
}

// Unreached adds to the error of a connection that did not come about what to do about it. Every other error it returns as
// it is, and nil for nil.
func Unreached(err error) error {
	var network *net.OpError
	if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &network) && network.Op == "dial" {
		return fmt.Errorf("%w; is the server up, and are host and port in the URL right?", err)
	}
	return err
}

type urlRefusal struct{ error }

func (u urlRefusal) Unwrap() error        { return refusal{u.error} }
func (u urlRefusal) Is(target error) bool { return target == ErrURL }

// Definite reports whether the operation that returned err provably had no effect: the server refused it, or
// it was never sent. Every other error leaves the effect unknown: not "lost", and not "stored".
func Definite(err error) bool {
	var r refusal
	return errors.As(err, &r) || errors.Is(err, syscall.ECONNREFUSED)
}
