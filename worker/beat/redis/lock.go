// Package redis is a beat's lock in Redis: a key that ends with its lease, and beside it the marks of all entries.
//
// The key holds a word drawn by lot, set where there is none and prolonged by whoever knows the word. Marks are written
// by a script that looks at the word first, so that a beat whose lease has ended writes nothing, however late it wakes.
// Three keys are used, which a cluster keeps on one node: taskbench-beat:{NAME}:lock, :tenure and :marks. On a server
// that loses its writes when it is restarted, as a replica that takes over may, two beats may hold the lock for the
// time of one lease.
//
// github.com/redis/go-redis/v9 is Redis's own client; its retries are harmless here and stay on.
package redis

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"taskbench/worker/beat"
)

// A Lock is a beat.Lock.
type Lock struct {
	rdb                 *goredis.Client
	lock, tenure, marks string
	word                string
}

var (
	//go:embed acquire.lua
	acquireText string
	//go:embed write.lua
	writeText string
	//go:embed release.lua
	releaseText string

	acquire = goredis.NewScript(acquireText)
	write   = goredis.NewScript(writeText)
	release = goredis.NewScript(releaseText)
)

// Open makes the lock of all beats that give the same name on a server at a URL such as redis://host:6379/0. It does
// not connect yet. The error does not quote the URL, which may hold a password.
func Open(rawURL, name string) (*Lock, error) {
	o, err := goredis.ParseURL(rawURL)
	if err != nil {
		if _, bad := url.Parse(rawURL); bad != nil {
			err = errors.New("it is no URL")
		}
		return nil, fmt.Errorf("open the lock of beat: want redis://user:password@host:port/db: %w", err)
	}
	o.Protocol = 2
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = time.Second, time.Second, time.Second
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	host, _ := os.Hostname()
	prefix := "taskbench-beat:{" + name + "}:"
	return &Lock{
		rdb: goredis.NewClient(o), lock: prefix + "lock", tenure: prefix + "tenure", marks: prefix + "marks",
		word: fmt.Sprintf("%d@%s/%s", os.Getpid(), host, rand.Text()),
	}, nil
}

// Acquire implements beat.Lock.
func (l *Lock) Acquire(ctx context.Context, lease time.Duration) (int64, error) {
	got, err := acquire.Run(ctx, l.rdb, []string{l.lock, l.tenure}, l.word, lease.Milliseconds()).Slice()
	if err != nil {
		return 0, fmt.Errorf("take the lock of beat: %w", err)
	}
	tenure, _ := got[0].(int64)
	if tenure == 0 {
		by, _ := got[1].(string)
		return 0, beat.HeldError{By: holder(by)}
	}
	return tenure, nil
}

// holder is the part of a word that tells people who it is.
func holder(word string) string {
	for i := len(word) - 1; i >= 0; i-- {
		if word[i] == '/' {
			return word[:i]
		}
	}
	return word
}

// Release implements beat.Lock.
func (l *Lock) Release(ctx context.Context) error {
	if err := release.Run(ctx, l.rdb, []string{l.lock}, l.word).Err(); err != nil {
		return fmt.Errorf("give up the lock of beat: %w", err)
	}
	return nil
}

// A mark is the value of a field of the hash; the field is its name.
type mark struct {
	Schedule string    `json:"schedule"`
	Last     time.Time `json:"last"`
	Claim    time.Time `json:"claim,omitzero"`
	Runs     int64     `json:"runs"`
	Done     bool      `json:"done,omitempty"`
}

// Recall implements beat.Lock. A field that is no mark is an error: to go on without it might fire twice.
func (l *Lock) Recall(ctx context.Context) ([]beat.Mark, error) {
	all, err := l.rdb.HGetAll(ctx, l.marks).Result()
	if err != nil {
		return nil, fmt.Errorf("read the marks of beat: %w", err)
	}
	marks := make([]beat.Mark, 0, len(all))
	for name, text := range all {
		var m mark
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf("read the marks of beat: field %q of the hash %s: %w; delete it to forget that entry's past", name, l.marks, err)
		}
		marks = append(marks, beat.Mark{Name: name, Schedule: m.Schedule, Last: m.Last, Claim: m.Claim, Runs: m.Runs, Done: m.Done})
	}
	return marks, nil
}

// atOnce is how many marks one call of the script takes, whose arguments are bounded.
const atOnce = 1000

// Write implements beat.Lock. More than a thousand marks are written in several steps, each of them whole.
func (l *Lock) Write(ctx context.Context, tenure int64, marks []beat.Mark) error {
	for len(marks) > 0 {
		part := marks[:min(len(marks), atOnce)]
		marks = marks[len(part):]
		args := make([]any, 0, 2+2*len(part))
		args = append(args, l.word, tenure)
		for _, m := range part {
			text := []byte{} // forgotten
			if !m.Forgotten() {
				var err error
				if text, err = json.Marshal(mark{m.Schedule, m.Last, m.Claim, m.Runs, m.Done}); err != nil {
					return fmt.Errorf("write the mark of %s: %w", m.Name, err)
				}
			}
			args = append(args, m.Name, text)
		}
		ours, err := write.Run(ctx, l.rdb, []string{l.lock, l.tenure, l.marks}, args...).Int()
		if err != nil {
			return fmt.Errorf("write the marks of beat: %w", err)
		}
		if ours == 0 {
			return beat.ErrLost
		}
	}
	return nil
}

// Close drops the connections. What is held stays held until its lease ends.
func (l *Lock) Close() error { return l.rdb.Close() }
