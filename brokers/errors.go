package brokers

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrClosed is returned by operations on a closed Broker; it is Definite.
var ErrClosed = Refuse(errors.New("broker is closed"))

// ErrSettled is returned by a second Ack or Nack.
var ErrSettled = errors.New("delivery is already settled")

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

// Definite reports whether the operation that returned err provably had no effect: the server refused it, or
// it was never sent. Every other error leaves the effect unknown: not "lost", and not "stored".
func Definite(err error) bool {
	var r refusal
	return errors.As(err, &r) || errors.Is(err, syscall.ECONNREFUSED)
}
