package nats

import (
	"errors"
	"fmt"
	"strings"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

var (
	// errNobody is the answer that nothing on the server takes messages of that subject.
	errNobody = brokers.Refuse(errors.New("nothing there takes messages of this subject: is JetStream enabled (jetstream {} in the server's configuration)?"))

	// errLapsed is told of what was given to somebody else.
	errLapsed = errors.New("the lease ran out, because this process stood still or did not reach the server: what it held has been given to others")

	errNoAnswer = fmt.Errorf("sent, and no answer within %v", answerWithin)
)

// Codes of JetStream's errors.
const (
	codeNotEnabled         = 10076
	codeNotEnabledAccount  = 10039
	codeConsumerNotFound   = 10014
	codeStreamNotFound     = 10059
	codeResources          = 10023
	codeMemory             = 10028
	codeStorage            = 10047
	codeAccountResources   = 10002
	codeMessageTooLarge    = 10054
	codeStoreFailed        = 10077
	codeStreamsLimit       = 10027
	codeOverlap            = 10065
	codeMaxBytesRequired   = 10113
	codeConsumerNotUnique  = 10100
	codeConsumerUnfiltered = 10099
)

// advice is what to do about the refusals that people can do something about.
var advice = map[jetstream.ErrorCode]string{
	codeNotEnabled:         "enable JetStream: jetstream {} in the server's configuration",
	codeNotEnabledAccount:  "enable JetStream for the account of this user",
	codeResources:          "free space on the server's disk, or raise max_file and max_mem of jetstream in its configuration",
	codeMemory:             "raise max_mem of jetstream in the server's configuration, or let workers catch up",
	codeStorage:            "free space on the server's disk, raise max_file of jetstream in its configuration, or let workers catch up",
	codeAccountResources:   "raise the account's limits, or let workers catch up",
	codeMessageTooLarge:    "raise max_msg_size of the stream",
	codeStoreFailed:        "raise the limits of the stream, free space on the server's disk, or let workers catch up",
	codeStreamsLimit:       "raise max_streams of the account: every queue is a stream",
	codeOverlap:            "a stream of somebody else takes the subject already; narrow its subjects",
	codeMaxBytesRequired:   "the account wants max_bytes of every stream; make the queue's stream by hand, or lift that",
	codeConsumerNotUnique:  "the queue's stream has another consumer; remove it",
	codeConsumerUnfiltered: "the queue's stream has another consumer; remove it",
}

// explain makes the server's refusal an error, which is Definite: what JetStream refuses it has not done.
func explain(e *jetstream.APIError) error {
	text := fmt.Errorf("%w (code %d)", e, e.ErrorCode)
	if hint := advice[e.ErrorCode]; hint != "" {
		text = fmt.Errorf("%w; %s", text, hint)
	}
	return brokers.Refuse(text)
}

// isCode tells whether the server answered with that code.
func isCode(err error, code jetstream.ErrorCode) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && e.ErrorCode == code
}

// explainDial says what to do when no link came about. Whatever was wrong, nothing was asked for yet.
func explainDial(err error) error {
	text := err.Error()
	hint := ""
	switch {
	case errors.Is(err, client.ErrAuthorization), errors.Is(err, client.ErrAuthExpired), errors.Is(err, client.ErrAuthRevoked), errors.Is(err, client.ErrAccountAuthExpired):
		hint = "check user and password, token or creds in the URL"
	case errors.Is(err, client.ErrMaxConnectionsExceeded), errors.Is(err, client.ErrMaxAccountConnectionsExceeded):
		hint = "raise max_connections of the server or of the account, or start fewer workers: each takes one or two"
	case errors.Is(err, client.ErrSecureConnRequired), errors.Is(err, client.ErrSecureConnWanted), strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		hint = "check the scheme (nats:// or tls://), the host's name, and tls_ca in the URL"
	case strings.Contains(text, "i/o timeout"), errors.Is(err, client.ErrTimeout), strings.Contains(text, "expected 'INFO'"), errors.Is(err, client.ErrNoInfoReceived):
		hint = "is it a NATS server that listens there?"
	}
	if hint == "" {
		return brokers.Refuse(brokers.Unreached(err))
	}
	return brokers.Refusef("%w; %s", err, hint)
}

// denial turns what the server says about a missing right into an error, and tells which subject it is about.
func denial(err error) (subject string, denied error) {
	if !errors.Is(err, client.ErrPermissionViolation) {
		return "", nil
	}
	parts := strings.Split(err.Error(), `"`)
	if len(parts) > 1 {
		subject = parts[1]
	}
	return subject, brokers.Refusef("%w; let the user publish to $JS.API.>, $JS.ACK.> and taskbench.>, and subscribe to _INBOX.> and taskbench.>", err)
}
