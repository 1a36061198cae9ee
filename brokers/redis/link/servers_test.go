package link

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A speaker is a server that says what its test has it say: to INFO, and to WAIT.
type speaker struct {
	url string

	mu     sync.Mutex
	info   string // "" is no answer
	copies int
	pushes int
}

// What a server says of itself.
const (
	primaryOfTwo  = "role:master\r\nconnected_slaves:2\r\nmin_slaves_good_slaves:2\r\n"
	primaryOfNone = "role:master\r\nconnected_slaves:2\r\nmin_slaves_good_slaves:0\r\n"
	replica       = "role:slave\r\nmaster_link_status:up\r\n"
)

func newSpeaker(t *testing.T, info string) *speaker {
	t.Helper()
	s := &speaker{info: info}
	s.url = "redis://" + servertest.Serve(t, s.serve) + "/0"
	return s
}

func (s *speaker) say(info string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = info
}

func (s *speaker) serve(c net.Conn) {
	converse(c, func(words []string) string { return s.answer(words[0]) })
}

// converse answers commands, of which the first word is in small letters.
func converse(c net.Conn, answer func(words []string) string) {
	r := bufio.NewReader(c)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil || n == 0 {
			return
		}
		words := make([]string, n)
		for i := range words {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words[i] = string(word[:size])
		}
		words[0] = strings.ToLower(words[0])
		if _, err := io.WriteString(c, answer(words)); err != nil {
			return
		}
	}
}

func (s *speaker) answer(command string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch command {
	case "info":
		if s.info == "" {
			return ""
		}
		return "$" + strconv.Itoa(len(s.info)) + "\r\n" + s.info + "\r\n"
	case "wait":
		return ":" + strconv.Itoa(s.copies) + "\r\n"
	case "lpush":
		s.pushes++
		return ":1\r\n"
	case "hello", "client":
		return "-ERR unknown command\r\n"
	}
	return "+OK\r\n"
}

func (s *speaker) pushed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushes
}

// among opens a link to all of them.
func among(t *testing.T, v brokers.Variant, all ...*speaker) *Link {
	t.Helper()
	var urls []string
	for _, s := range all {
		urls = append(urls, s.url)
	}
	l, err := Open(t.Context(), brokers.JoinURLs(urls), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(func() {}) })
	return l
}

func push(ctx context.Context, l *Link) error {
	cmd := goredis.NewIntCmd(ctx, "lpush", "list", "value")
	l.Commit(ctx, cmd)
	return Judge(cmd.Err())
}

func TestPrimaryIsWhoSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		says []string
		want int
	}{
		"the last":                   {[]string{replica, replica, primaryOfTwo}, 2},
		"the one that replicas left": {[]string{primaryOfNone, primaryOfTwo, replica}, 1},
		"without replicas as yet":    {[]string{replica, primaryOfNone, replica}, 1},
		"one is frozen":              {[]string{"", primaryOfTwo, replica}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []*speaker
			for _, says := range c.says {
				all = append(all, newSpeaker(t, says))
			}
			if err := push(t.Context(), among(t, brokers.Variant{}, all...)); err != nil {
				t.Fatal(err)
			}
			for n, s := range all {
				if got := s.pushed(); (got == 1) != (n == c.want) {
					t.Errorf("server %d got %d messages", n, got)
				}
			}
		})
	}
}

// A primary of the past does not end its connections: its clients leave it once another says that it is the primary, those
// too that wait for an answer.
func TestPrimaryOfThePastIsLeft(t *testing.T) {
	for what, then := range map[string]string{"cut off": primaryOfNone, "demoted": replica, "frozen": ""} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			first, second := newSpeaker(t, primaryOfTwo), newSpeaker(t, replica)
			l := among(t, brokers.Variant{}, first, second)
			conn := l.Client.Conn()
			defer func() { _ = conn.Close() }() // nobody needs it any more
			if err := conn.LPush(t.Context(), "list", "value").Err(); err != nil || first.pushed() != 1 {
				t.Fatalf("%v, %d messages", err, first.pushed())
			}
			first.say(then)
			second.say(primaryOfTwo)
			deadline := time.Now().Add(20 * time.Second)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for conn.LPush(t.Context(), "list", "value").Err() == nil {
				if <-tick.C; time.Now().After(deadline) {
					t.Fatal("the connection to the primary of the past goes on")
				}
			}
			if err := push(t.Context(), l); err != nil || second.pushed() != 1 {
				t.Errorf("%v, %d messages at the new primary", err, second.pushed())
			}
		})
	}
}

func TestNoPrimary(t *testing.T) {
	secret := strings.ReplaceAll(brokers.JoinURLs([]string{newSpeaker(t, replica).url, newSpeaker(t, replica).url}), "redis://", "redis://u:s3cret@")
	_, err := Open(t.Context(), secret, brokers.Variant{}, []Script{{"return 1", "hash"}})
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "none of the 2 servers") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestServersAreOneBroker(t *testing.T) {
	for url, says := range map[string]string{
		"redis://:s3cret@a:1/0;redis://:s3cret@b:1/1":                  "have not the same",
		"redis://:s3cret@a:1/0;redis://b:1/0":                          "have not the same",
		"redis://:s3cret@a:1/0?lease=2s;redis://:s3cret@b:1/0":         "have not the same",
		"redis://:s3cret@a:1/0;unix:///run/redis.sock":                 "TCP",
		"redis://:s3cret@a:1/0;redis://:s3cret@b:1/0?lease=s3cretless": "lease",
	} {
		_, _, err := configure(url, brokers.Variant{})
		if !brokers.Definite(err) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret@") {
			t.Errorf("%s: %v, want a Definite error that says %q", url, err, says)
		}
	}
	got, _, err := configure("redis://:s3cret@a:1/2;redis://:s3cret@b:1/2", brokers.Variant{})
	if err != nil || got.String() != "a:1, b:1" || got.DB != 2 {
		t.Errorf("%s, %v", got, err)
	}
}

// What no replica says to have is in doubt: it is neither confirmed nor refused.
func TestCommitWaitsForReplicas(t *testing.T) {
	v := brokers.Variant{Settings: map[string]string{"wait": "1"}}
	for copies := range 3 {
		s := newSpeaker(t, primaryOfTwo)
		s.copies = copies
		err := push(t.Context(), among(t, v, s))
		if (err == nil) != (copies > 0) || brokers.Definite(err) || s.pushed() != 1 {
			t.Errorf("%d replicas have it: %v", copies, err)
		}
	}
	if _, _, err := configure("redis://a:1", brokers.Variant{Settings: map[string]string{"wait": "x"}}); !brokers.Definite(err) {
		t.Errorf("%v", err)
	}
	s := newSpeaker(t, primaryOfTwo)
	if err := push(t.Context(), among(t, brokers.Variant{}, s)); err != nil {
		t.Errorf("nobody wants replicas to have it: %v", err)
	}
}
