package mongodb

import (
	"errors"
	"net/url"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"taskbench/brokers"
)

const (
	patience  = 10 * time.Second // bounds every exchange with the server
	selection = 3 * time.Second  // how long a server may be away before what is asked of it is refused
	heartbeat = 2 * time.Second  // how often the library asks each of several servers whether it is there and who is the primary
	largest   = 16<<20 - 64<<10  // bytes of an envelope: MongoDB's bound of a document, and room for the rest
)

// settings are what a URL and a variant say.
type settings struct {
	options  *options.ClientOptions
	addr     string // for people: without user and password
	database string
}

// configure reads the URL, or a list of those of the members of a replica set, which must differ in their hosts alone. Its
// options are the library's own.
func configure(rawURL string, v brokers.Variant, watch *event.PoolMonitor) (settings, error) {
	bad := func(cause error) (settings, error) {
		return settings{}, brokers.Refusef("read mongodb URL: %w", brokers.RefuseURL(rawURL, "mongodb://user:password@host:port/database", cause))
	}
	listed := brokers.URLs(rawURL)
	rawURL, ways, err := joined(listed)
	if err != nil {
		return bad(err)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "mongodb" && u.Scheme != "mongodb+srv" {
		return bad(errors.New("the scheme is another"))
	}
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return bad(nil)
	}
	o := options.Client().ApplyURI(rawURL)
	if o.Validate() != nil { // its words may quote the URL
		return bad(errors.New("the driver does not understand its options"))
	}
	// What is tried again behind our back may be done twice, and a lost connection would go unseen.
	o.SetRetryWrites(false).SetRetryReads(false)
	o.SetServerSelectionTimeout(selection).SetConnectTimeout(selection)
	o.SetAppName("taskbench").SetPoolMonitor(watch)
	if w := concern(v); w != nil {
		o.SetWriteConcern(w)
	}
	if len(listed) > 1 {
		o.SetDialer(newGuide(ways))
	}
	if len(o.Hosts) > 1 && o.HeartbeatInterval == nil {
		o.SetHeartbeatInterval(heartbeat)
	}
	s := settings{options: o, addr: u.Host, database: strings.Trim(u.Path, "/")}
	if s.database == "" {
		s.database = defaultDatabase(v)
	}
	return s, nil
}

// joined is the URL of all servers that several name, with what leads to each alone by its address.
func joined(list []string) (all string, ways map[string]string, err error) {
	if len(list) == 1 {
		return list[0], nil, nil
	}
	var hosts []string
	var first string
	ways = map[string]string{}
	for _, raw := range list {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return "", nil, errors.New("one of the list names no server")
		}
		host := u.Host
		hosts, ways[host] = append(hosts, host), raw
		u.Host = "members"
		if first == "" {
			first = u.String()
		}
		if u.String() != first {
			return "", nil, errors.New("the servers of the list have not the same user, password, database and options")
		}
		u.Host = strings.Join(hosts, ",")
		all = u.String()
	}
	return all, ways, nil
}

// concern is nil where the server's default is to hold, as with Celery.
func concern(v brokers.Variant) *writeconcern.WriteConcern {
	journal := v.Settings["j"] == "true"
	switch v.Settings["w"] {
	case "majority":
		return &writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}
	case "1":
		return &writeconcern.WriteConcern{W: 1, Journal: &journal}
	}
	return nil
}

// defaultDatabase is kombu's where its collections are used.
func defaultDatabase(v brokers.Variant) string {
	if v.Name == kombuVariant {
		return "kombu_default"
	}
	return "taskbench"
}

// judge makes an error Definite where nothing had been sent, or where whoever asked may not.
func judge(err error) error {
	if err == nil {
		return nil
	}
	var unreached topology.ServerSelectionError
	var refused driver.CommandError
	switch {
	case errors.Is(err, driver.ErrClientDisconnected):
		return brokers.ErrClosed
	case errors.As(err, &unreached), errors.Is(err, syscall.ECONNREFUSED):
		return brokers.Refuse(advise(err))
	case errors.As(err, &refused) && (refused.Code == unauthorized || refused.Code == authenticationFailed):
		return brokers.Refuse(advise(err))
	}
	return advise(err)
}

// Codes of MongoDB's errors.
const (
	unauthorized         = 13
	authenticationFailed = 18
	duplicateKey         = 11000
)

// interruptions are the codes of a server that is shut down, or that is the primary no more, in the middle of something.
var interruptions = []int32{91, 189, 11600, 11602}
