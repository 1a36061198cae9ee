package nats

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"
)

// pullFor is how long a pull waits at the server for messages; then it is made again.
const pullFor = 15 * time.Second

// pullBytes bounds what one pull brings, unless one message is larger: a server hangs up on who does not keep up.
const pullBytes = 8 << 20

// A tap takes messages out of one stream, by one pull at a time, so that it is always known how many may still come. It
// has no lock of its own.
type tap struct {
	link  *link
	name  string // of the stream and the consumer
	inbox string
	sub   *client.Subscription
	gone  chan struct{} // closed when everything that came has been told

	turn uint64    // the number of the last pull
	left int       // how many messages it may bring; 0 when there is none under way
	till time.Time // when the server has said something about it at the latest
}

// newTap has hear told of all that comes: messages, and what the server says of pulls.
func newTap(l *link, s stream, hear func(*client.Msg)) (*tap, error) {
	t := &tap{link: l, name: s.name + "." + consumerName, inbox: client.NewInbox() + ".", gone: make(chan struct{})}
	sub, err := l.nc.Subscribe(t.inbox+"*", hear)
	if err != nil {
		return nil, err
	}
	sub.SetClosedHandler(func(string) { close(t.gone) })
	t.sub = sub
	return t, sub.SetPendingLimits(-1, -1)
}

// pull asks for n messages: those that there are, or else the next ones to come.
func (t *tap) pull(n int, wait bool) error {
	request := struct {
		Batch    int           `json:"batch"`
		MaxBytes int           `json:"max_bytes"`
		Expires  time.Duration `json:"expires,omitempty"`
		NoWait   bool          `json:"no_wait,omitempty"`
	}{Batch: n, MaxBytes: max(pullBytes, 2*int(t.link.nc.MaxPayload())), NoWait: !wait}
	if wait {
		request.Expires = pullFor
	}
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	t.turn++
	t.left, t.till = n, time.Now().Add(pullFor+patience)
	return t.link.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+t.name, t.inbox+strconv.FormatUint(t.turn, 10), data)
}

// status tells what the server says of a pull, "" for a message. What it says of the one under way ends that.
func (t *tap) status(m *client.Msg) string {
	turn, ours := strings.CutPrefix(m.Subject, t.inbox)
	if !ours { // a message has its stream's subject
		if t.left > 0 {
			t.left--
		}
		return ""
	}
	code := m.Header.Get("Status")
	if code == "100" || turn != strconv.FormatUint(t.turn, 10) {
		return statusPast
	}
	t.left = 0
	return code + " " + m.Header.Get("Description")
}

const statusPast = "past"

// lost tells whether what the server says of a pull means that there will never be a message.
func lost(status string) bool {
	return strings.HasPrefix(status, "503") || strings.HasPrefix(status, "409") && strings.Contains(status, "Deleted") ||
		strings.HasPrefix(status, "400")
}

// close takes the pull back. What came before the server heard of that is still told; then gone is closed.
func (t *tap) close() {
	if t.sub.Drain() != nil { // the connection has ended
		_ = t.sub.Unsubscribe()
	}
}

// await waits until all that came has been told, but not for a server that does not answer.
func (t *tap) await() {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-t.gone:
	case <-t.link.dead:
	case <-late.C:
	}
}
