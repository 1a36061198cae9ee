package link

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
)

func TestConfigure(t *testing.T) {
	v := brokers.Variant{Settings: map[string]string{"visibility_timeout": "20m"}}
	for _, c := range []struct {
		url  string
		want Settings
		db   int
		addr string
	}{
		{"redis://h:1/2", Settings{DefaultLease, 20 * time.Minute, 0}, 2, "h:1"},
		{"redis://h:1/2?visibility_timeout=30s", Settings{DefaultLease, 30 * time.Second, 0}, 2, "h:1"},
		{"redis://h:1/0?visibility_timeout=2s&lease=9s", Settings{2 * time.Second, 2 * time.Second, 0}, 0, "h:1"},
		{"redis://h:1/0?lease=800ms", Settings{800 * time.Millisecond, 20 * time.Minute, 0}, 0, "h:1"},
		{"redis+socket:///run/r.sock?virtual_host=3", Settings{DefaultLease, 20 * time.Minute, 0}, 3, "/run/r.sock"},
	} {
		o, got, err := configure(c.url, v)
		if err != nil || got != c.want || o.DB != c.db || o.Addr != c.addr {
			t.Errorf("%s: %+v, %+v, %v", c.url, got, o, err)
		} else if o.MaxRetries != -1 {
			t.Errorf("%s: the client repeats commands", c.url)
		}
	}
	for _, bad := range []string{"redis://h/x", "http://h/", "redis://h/?visibility_timeout=soon", "redis://h/?lease=1ms", "redis://h/?nonsense=1", "://"} {
		if _, _, err := configure(bad, v); !brokers.Definite(err) {
			t.Errorf("%s: %v, want a Definite error", bad, err)
		}
	}
}

func TestUnknownParametersAreNamed(t *testing.T) {
	_, _, err := configure("redis://user:s3cret@h/?nonsense=1", brokers.Variant{})
	if err == nil || !strings.Contains(err.Error(), "nonsense") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error that names the parameter and not the password", err)
	}
}

// refusal is an error as the server says it.
type serverSays string

func (s serverSays) Error() string { return string(s) }
func (serverSays) RedisError()     {}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		err      error
		definite bool
	}{
		{serverSays("OOM command not allowed when used memory > 'maxmemory'."), true},
		{serverSays("READONLY You can't write against a read only replica."), true},
		{serverSays("LOADING Redis is loading the dataset in memory"), true},
		{&net.OpError{Op: "dial", Err: &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}}, true},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, true},
		{goredis.ErrPoolTimeout, true},
		{goredis.ErrClosed, true},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		{io.EOF, false},
		{io.ErrUnexpectedEOF, false},
		{context.DeadlineExceeded, false},
	} {
		if got := Judgef(c.err, "publish"); brokers.Definite(got) != c.definite {
			t.Errorf("%v: Definite is %v, want %v", c.err, !c.definite, c.definite)
		}
	}
	if Judgef(nil, "publish") != nil {
		t.Error("no error became one")
	}
	if !errors.Is(Judge(goredis.ErrClosed), brokers.ErrClosed) {
		t.Error("a closed client is not told as a closed broker")
	}
}
