package rabbitmq

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// maxPriority is the URL's parameter that has queues order their messages by priority.
const maxPriority = "max_priority"

// mostPriority is the server's own bound.
const mostPriority = 255

// form is how a URL is written, for whoever has written one otherwise.
const form = "amqp://user:password@host:port/vhost"

// A layout is what queues are declared with.
type layout struct {
	kind       string // x-queue-type; "" is the server's default, and declares none
	priorities int32  // x-max-priority; 0 declares none
}

// configure reads a URL and returns it without what is for this package, so that the library gets its own parameters
// alone. What cannot be read as a URL is left for the library to refuse. Of a list of URLs each has to say the same.
func configure(rawURL string, v brokers.Variant) (string, layout, error) {
	var first layout
	urls := brokers.URLs(rawURL)
	for i, part := range urls {
		bare, l, err := configureOne(part, v)
		if err == nil && i > 0 && l != first {
			err = badURL(rawURL, fmt.Errorf("the servers of the list have not the same %s", maxPriority))
		}
		if err != nil {
			return "", l, err
		}
		urls[i], first = bare, l
	}
	return brokers.JoinURLs(urls), first, nil
}

func configureOne(rawURL string, v brokers.Variant) (string, layout, error) {
	l := layout{kind: v.Settings["x-queue-type"]}
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL, l, nil
	}
	query := u.Query()
	if !query.Has(maxPriority) {
		return rawURL, l, nil
	}
	if l.kind == "quorum" {
		err := fmt.Errorf("%s is for classic queues, and quorum queues have no x-max-priority: leave it out, or take the variant classic", maxPriority)
		return "", l, badURL(rawURL, err)
	}
	n, err := strconv.Atoi(query.Get(maxPriority))
	if err != nil || n < 1 || n > mostPriority || len(query[maxPriority]) > 1 {
		err := fmt.Errorf("%s is %q: want one number from 1 to %d, the x-max-priority of the queues", maxPriority, strings.Join(query[maxPriority], " and "), mostPriority)
		return "", l, badURL(rawURL, err)
	}
	l.priorities = int32(n)
	query.Del(maxPriority)
	u.RawQuery = query.Encode()
	return u.String(), l, nil
}

func badURL(rawURL string, err error) error {
	return fmt.Errorf("read AMQP URL: %w", brokers.RefuseURL(rawURL, form, err))
}

// arguments are those of a queue. Dead letters keep the order in which they died.
func (l layout) arguments(queue string) amqp.Table {
	args := amqp.Table{}
	if l.kind != "" {
		args["x-queue-type"] = l.kind
	}
	if l.priorities > 0 && !brokers.IsDeadLetterQueue(queue) {
		args["x-max-priority"] = l.priorities
	}
	return args
}
