package beanstalkd

import (
	"bufio"
	"io"
	"reflect"
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestReplies(t *testing.T) {
	for said, want := range map[string]reply{
		"INSERTED 18446744073709551615\r\n": {word: "INSERTED", id: 1<<64 - 1},
		"RESERVED 7 4\r\na\r\nb\r\n":        {word: "RESERVED", id: 7, body: []byte("a\r\nb")},
		"FOUND 7 0\r\n\r\n":                 {word: "FOUND", id: 7, body: []byte{}},
		"OK 3\r\nx:1\r\n":                   {word: "OK", body: []byte("x:1")},
		"BURIED\r\n":                        {word: "BURIED"},
		"BURIED 7\r\n":                      {word: "BURIED", id: 7},
		"WATCHING 3\r\n":                    {word: "WATCHING"},
		"NOT_FOUND\r\n":                     {word: "NOT_FOUND"},
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(said))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %+v, %v", said, got, err)
		}
	}
}

func TestWhatIsNoReply(t *testing.T) {
	for _, said := range []string{
		"", "\r\n", "HTTP/1.1 400 Bad Request\r\n", "-ERR unknown command\r\n", "BAD_FORMAT\r\n", "UNKNOWN_COMMAND\r\n",
		"EXPECTED_CRLF\r\n", "DELETED\n", "OK\r\n", "OK x\r\n", "OK -1\r\n", "OK 1073741825\r\n", "OK 3\r\nx:1xx",
		"OK 3\r\nx", "RESERVED x 4\r\nabcd\r\n", "RESERVED\r\n", "INSERTED 7", strings.Repeat("x", 1<<17),
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(said))); err == nil {
			t.Errorf("%.40q is read as %+v", said, got)
		}
	}
}

func TestRefusalsAreDefinite(t *testing.T) {
	for word, definite := range map[string]bool{
		"JOB_TOO_BIG": true, "DRAINING": true, "OUT_OF_MEMORY": true, "NOT_FOUND": true, "INTERNAL_ERROR": false, "BURIED": false,
	} {
		if err := (reply{word: word}).demand("INSERTED"); err == nil || brokers.Definite(err) != definite || !strings.Contains(err.Error(), word) {
			t.Errorf("after %s the error is %v, Definite %v", word, err, brokers.Definite(err))
		}
	}
}

func TestStatisticsOfOldAndNewServers(t *testing.T) {
	r := reply{body: []byte("---\ntube: old\npri: 3\n")}
	quoted := reply{body: []byte("---\nxtube: x\ntube: \"new\"\n")}
	if r.stat("tube") != "old" || r.count("pri") != 3 || quoted.stat("tube") != "new" || r.stat("tub") != "" || r.count("ttr") != 0 {
		t.Errorf("read %q %d %q", r.stat("tube"), r.count("pri"), quoted.stat("tube"))
	}
}

// Whatever a server says must not upset anything, or take more memory than it has sent.
func FuzzReadReply(f *testing.F) {
	f.Add("RESERVED 7 4\r\na\r\nb\r\n")
	f.Add("OK 3\r\nx:1\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		in := strings.NewReader(said)
		r, err := readReply(bufio.NewReader(in))
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(in)
		if len(r.body)+len(rest) > len(said) || !strings.HasPrefix(strings.TrimLeft(said, " \t\v\f\r\u0085\u00a0"), r.word) {
			t.Errorf("%q is read as %+v", said, r)
		}
	})
}
