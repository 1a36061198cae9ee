package rabbitmq

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// unwelcome adds what to do to the error of a server that did not let us in.
func unwelcome(err error) error {
	var refused *amqp.Error
	text := err.Error()
	hint := "is it RabbitMQ that listens there, and with the encryption that the URL says?"
	switch {
	case encryption(err):
		hint = "have this machine trust who signed the server's certificate, name the host as that does, or take amqp:// for a server without encryption"
	case errors.Is(err, amqp.ErrCredentials), errors.Is(err, amqp.ErrSASL):
		hint = "check user and password in the URL; the user guest is let in from the server's own host alone"
	case !errors.As(err, &refused):
	case strings.Contains(text, "limit"):
		hint = "raise the connection limit of the user or the virtual host, or start fewer workers: each takes up to two connections"
	case refused.Code == amqp.NotAllowed, errors.Is(err, amqp.ErrVhost):
		hint = "check the virtual host in the URL, which is %2F for /, and let the user into it (rabbitmqctl set_permissions)"
	}
	return fmt.Errorf("%w; %s", err, hint)
}

// denied adds what to do to the refusal of something for which a right is missing.
func denied(err error) error {
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		return fmt.Errorf("%w; let the user configure, write and read it (rabbitmqctl set_permissions)", err)
	}
	return err
}

// encryption tells whether an error is about that.
func encryption(err error) bool {
	return strings.Contains(err.Error(), "tls:") || strings.Contains(err.Error(), "x509:")
}
