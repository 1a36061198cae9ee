package memory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
)

// Rules are what servers do about messages that a consumer has taken and does not settle. They hold for the consumers of
// one connection. The zero Rules are those of the default variant: a consumer may hold what it has for ever.
type Rules struct {
	// Lease is how long a consumer has what it holds without a sign of life from its connection, which gives one three times
	// as often. Then the consumer is lost, and what it held comes back. A connection that is lost gives back nothing by
	// itself: its leases run out.
	Lease time.Duration

	// Visibility is how long one delivery may go unsettled, whoever lives: then the message comes back, and the delivery
	// cannot be settled any more. Nothing renews it.
	Visibility time.Duration

	// ConsumerTimeout is how long one delivery may go unsettled before its consumer is ended, which returns all that it holds.
	ConsumerTimeout time.Duration

	// DeliveryLimit is how often a message may come back, in whatever way. The next time it is moved to the dead letter
	// queue instead. 0 is no limit.
	DeliveryLimit int
}

// leastTerm is the shortest term that makes sense over a network.
const leastTerm = 100 * time.Millisecond

// readRules takes the rules from the variant's settings, which the parameters of the URL of the same names overrule. A
// hyphen in a parameter's name is as good as its underscore.
func readRules(query url.Values, v brokers.Variant) (Rules, error) {
	var r Rules
	terms := map[string]*time.Duration{"lease": &r.Lease, "visibility_timeout": &r.Visibility, "consumer_timeout": &r.ConsumerTimeout}
	set := func(name, text string) error {
		if name == "delivery_limit" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return fmt.Errorf("delivery_limit is %q: want a number from 1", text)
			}
			r.DeliveryLimit = n
			return nil
		}
		term := terms[name]
		if term == nil {
			return fmt.Errorf("there is no parameter %q: take lease, visibility_timeout, consumer_timeout or delivery_limit", name)
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < leastTerm {
			return fmt.Errorf("%s is %q: want a duration of %v or more, such as 30s", name, text, leastTerm)
		}
		*term = d
		return nil
	}
	var errs []error
	for name, text := range v.Settings {
		errs = append(errs, set(name, text))
	}
	for name, texts := range query {
		errs = append(errs, set(strings.ReplaceAll(name, "-", "_"), texts[len(texts)-1]))
	}
	return r, errors.Join(errs...)
}

// timed tells whether something happens to what is held by the passing of time alone.
func (r Rules) timed() bool { return r.Lease > 0 || r.Visibility > 0 || r.ConsumerTimeout > 0 }

// renewal is how often a connection gives a sign of life; 0 where nobody waits for one.
func (r Rules) renewal() time.Duration { return r.Lease / 3 }

// append appends the rules to a request.
func (r Rules) append(buf []byte) []byte {
	for _, d := range []time.Duration{r.Lease, r.Visibility, r.ConsumerTimeout} {
		buf = binary.BigEndian.AppendUint64(buf, uint64(d))
	}
	return binary.BigEndian.AppendUint32(buf, uint32(r.DeliveryLimit))
}

func (c *cursor) rules() Rules {
	r := Rules{Lease: time.Duration(c.uint64())}
	r.Visibility = time.Duration(c.uint64())
	r.ConsumerTimeout = time.Duration(c.uint64())
	r.DeliveryLimit = int(c.uint32())
	return r
}
