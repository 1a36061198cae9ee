// Package due keeps delayed messages in Redis until they are due, by the server's clock.
package due

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/group"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/link"
)

// How often a consumer looks for what is due: a delayed message is up to so much late.
const (
	every = time.Second
	atOne = 500  // messages moved in one call
	atRow = 1024 // messages stored in one exchange
)

//go:embed lua/*.lua
var sources embed.FS

var (
	scripts     = link.ReadScripts(sources)
	delayScript = scripts.Named("delay")
	moveScript  = scripts.Named("move")
)

// Scripts are those that the link must know.
func Scripts() []link.Script { return scripts.All() }

// A Store keeps messages in two keys: names by the time at which they are due, and messages by their names. It is safe
// for concurrent use.
type Store struct {
	link   *link.Link
	keys   []string
	how    []any
	stores *group.Group[message]
}

// A message is on its way to where it waits.
type message struct {
	name, to string
	value    []byte
	until    time.Time
}

// New returns a store under the key prefix. What is due goes where it belongs by a command of Redis: its name, the
// destination's key, rest, and the value.
func New(l *link.Link, prefix, command string, rest ...any) *Store {
	s := &Store{link: l, keys: []string{prefix, prefix + ":messages"}, how: append([]any{command}, rest...)}
	s.stores = group.New(s.send)
	return s
}

// Close returns when what was to be stored has its outcome. It is called once.
func (s *Store) Close() { s.stores.Close() }

// Delay keeps value, which is how m is written at the key to, until it is due. The same message again for the same time is stored once.
func (s *Store) Delay(ctx context.Context, m brokers.Message, to string, value []byte, until time.Time) error {
	if err := s.stores.Do(ctx, message{nameOf(m, until), to, value, until}, nil); err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// nameOf is the same for the same message, so that delaying it twice stores it once.
func nameOf(m brokers.Message, until time.Time) string {
	if m.CorrelationID == "" {
		return kombu.Identity()
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %v %d ", m.Queue, m.CorrelationID, m.Headers, until.UnixMilli()) // a map is printed in order
	h.Write(m.Body)
	return string(h.Sum(nil)[:16])
}

// send stores what waits in one exchange.
func (s *Store) send(all []message) []error {
	ctx := context.Background()
	errs := make([]error, 0, len(all))
	for len(all) > 0 {
		n := min(len(all), atRow)
		cmds := make([]goredis.Cmder, n)
		for i, m := range all[:n] {
			cmds[i] = delayScript.Call(ctx, s.keys, m.name, m.to, m.value, m.until.UnixMilli(), time.Now().UnixMilli())
		}
		s.link.Commit(ctx, cmds...)
		for _, cmd := range cmds {
			errs = append(errs, link.Judge(cmd.Err()))
		}
		all = all[n:]
	}
	return errs
}

// Move moves what is due until over is closed, and tells each time that it moved something. Failures are left to the next
// look: a link that is lost is noticed by others.
func (s *Store) Move(over <-chan struct{}, moved func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-over:
			return
		}
		cmd := moveScript.Call(context.Background(), s.keys, append([]any{atOne}, s.how...)...)
		s.link.Exec(context.Background(), cmd)
		look := every
		if got, err := cmd.Int64Slice(); err == nil && len(got) == 2 {
			if got[0] > 0 {
				moved()
			}
			if got[1] >= 0 {
				look = min(look, max(time.Duration(got[1])*time.Millisecond, time.Millisecond))
			}
		}
		timer.Reset(look)
	}
}
