package brokers

import (
	"context"
	"strings"
)

// A Cluster is how several servers of a driver stand together as one broker.
type Cluster struct {
	// Standing asks the member that the console is of how the cluster stands, and of its queue where one is named. What a
	// member that is cut off says is of its own side.
	Standing func(ctx context.Context, c Console, queue string) (Standing, error)
}

// A Standing is how a cluster stands. Members are named by their hosts, as in Launch.Peers.
type Standing struct {
	Up       []string // members that run and are in touch; nil where a queue was asked for
	Leader   string   // of the queue; "" where nobody leads it
	Replicas []string // members that hold the queue and are in touch
}

// URLs are the parts of a list of URLs, with a semicolon between each two as kombu writes it, by which a client reaches any of
// several servers. What is no list is one URL.
func URLs(raw string) []string {
	parts := strings.Split(raw, ";")
	for _, part := range parts {
		if !strings.Contains(part, "://") {
			return []string{raw}
		}
	}
	return parts
}

// JoinURLs is the list of the URLs.
func JoinURLs(urls []string) string { return strings.Join(urls, ";") }
